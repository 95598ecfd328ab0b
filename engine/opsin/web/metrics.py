"""/metrics: what the service does and how its library is, in numbers, as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from opsin.host.values import PluginState
from opsin.services.base.stages import Stage
from opsin.version import VERSION
from opsin.web.access import READ
from opsin.web.problems import problem_responses
from opsin.web.reception import Seen
from opsin.web.service import Service

_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The numbers of one library; ``of_process``: also those of the process, which tell what other libraries do.

    Labels are routes as they are declared, never what somebody sent.
    """

    def __init__(self, service: Service, *, of_process: bool) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "opsin_requests", "Requests that were answered.", ("method", "route", "status"), registry=registry
        )
        self._seconds = Histogram(
            "opsin_request_seconds",
            "Seconds from a request's head to the last byte of its answer.",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=registry,
        )
        self._stages = Histogram(
            "opsin_stage_seconds",
            "Seconds of one stage of taking a picture in; commit is one for a whole group.",
            ("stage",),
            buckets=_BUCKETS,
            registry=registry,
        )
        registry.register(_Standing(service))
        if of_process:
            ProcessCollector(registry=registry)
        service.library.stages.listen(self.note_stage)

    def note_request(self, seen: Seen) -> None:
        """Count a request."""
        self._requests.labels(seen.method, seen.route, str(seen.status)).inc()
        self._seconds.labels(seen.method, seen.route).observe(seen.seconds)

    def note_stage(self, stage: Stage, seconds: float) -> None:
        """Count a stage."""
        self._stages.labels(stage).observe(seconds)

    def text(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        return generate_latest(self._registry)


class _Standing(Collector):
    """Asks the library how it is whenever somebody reads; nothing of it while the models are being loaded."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        service = self._service
        about = GaugeMetricFamily("opsin_info", "Which Opsin this is.", labels=("version", "encoder"))
        about.add_metric((VERSION, service.library.encoder), 1)
        yield about
        yield GaugeMetricFamily("opsin_ready", "Whether pictures can be looked at.", int(service.missing is None))
        yield GaugeMetricFamily("opsin_uploads_under_way", "Requests with pictures (serve.uploads).", service.taken)
        yield GaugeMetricFamily("opsin_uploads_most", "How many there may be at once.", service.settings.serve.uploads)
        if service.missing is not None:
            return
        status = service.library.status()
        queue = GaugeMetricFamily("opsin_queue_pictures", "Pictures on their way in.", labels=("state",))
        queue.add_metric(("waiting",), status.ingest.waiting)
        queue.add_metric(("preparing",), status.ingest.preparing)
        queue.add_metric(("committing",), status.ingest.committing)
        yield queue
        yield GaugeMetricFamily("opsin_assets", "Assets that are there.", status.assets)
        yield GaugeMetricFamily("opsin_index_vectors", "Vectors in the index.", status.index.vectors)
        yield GaugeMetricFamily("opsin_index_unsaved", "Vectors that its snapshot lacks.", status.index.unsaved)
        yield GaugeMetricFamily("opsin_index_bytes", "Bytes of its snapshot.", status.index.bytes)
        state = GaugeMetricFamily("opsin_plugin_state", "1 for the state of a plugin.", labels=("plugin", "state"))
        items = CounterMetricFamily("opsin_plugin_items", "Frames asked about.", labels=("plugin", "object", "outcome"))
        seconds = CounterMetricFamily("opsin_plugin_seconds", "Seconds in its batches.", labels=("plugin", "object"))
        waiting = GaugeMetricFamily("opsin_plugin_waiting", "Frames that wait.", labels=("plugin", "object"))
        for plugin in status.plugins:
            for each in get_args(PluginState):
                state.add_metric((plugin.name, each), int(plugin.state == each))
            for item in plugin.objects:
                of = (plugin.name, f"{item.kind} {item.name}")
                items.add_metric((*of, "answered"), item.answered)
                items.add_metric((*of, "failed"), item.failed)
                seconds.add_metric(of, item.seconds)
                waiting.add_metric(of, item.waiting)
        yield from (state, items, seconds, waiting)


class MetricsController(Controller):
    """Metrics."""

    path = "/metrics"
    tags = ["health"]  # noqa: RUF012
    opt = READ

    @get(media_type="text/plain", responses=problem_responses(401, 403))
    async def metrics(self, service: NamedDependency[Service], metrics: NamedDependency[Metrics]) -> Response[bytes]:
        """Return what the service does in numbers, in Prometheus' text format 0.0.4."""
        return Response(await service.run(metrics.text), headers={"Content-Type": _TEXT})
