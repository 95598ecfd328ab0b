"""What an operator watches: /metrics for Prometheus, readiness, and a span of OpenTelemetry a request."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client.parser import text_string_to_metric_families

from opsin.host.values import ObjectKind, ObjectState, ObjectStatus, PluginStatus
from opsin.services.assets.ingest import IngestStatus
from opsin.services.keeping.standing import IndexSize, LibraryStatus
from opsin.testing import jpeg_bytes, make_picture
from opsin.web.asked import note
from opsin.web.health import readiness
from opsin.web.tracing import Traced, traced

if TYPE_CHECKING:
    from tests.web.conftest import Served

    import opsin

RED = jpeg_bytes(make_picture("red", "square", 96))
Sample = dict[str, list[tuple[dict[str, str], float]]]


def metrics(served: Served) -> Sample:
    """Return what /metrics says, by name."""
    answer = served.client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found: Sample = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def value(found: Sample, name: str, **labels: str) -> float:
    (only,) = [number for said, number in found[name] if labels.items() <= said.items()]
    return only


def test_requests_stages_plugins_queue_and_index_are_counted(served: Served) -> None:
    before = metrics(served)
    assert served.client.post("/v1/assets", files={"file": RED}).status_code == 201
    assert served.client.get("/v1/nothing").status_code == 404
    after = metrics(served)
    added = {"method": "POST", "route": "/v1/assets", "status": "201"}
    assert value(after, "opsin_requests_total", **added) == 1
    assert value(after, "opsin_request_seconds_count", method="POST", route="/v1/assets") == 1
    assert value(after, "opsin_requests_total", route="none", status="404") == 1
    for stage in ("read", "decode", "analyse", "store", "commit"):
        assert value(after, "opsin_stage_seconds_count", stage=stage) == 1
    assert value(after, "opsin_assets") == value(before, "opsin_assets") + 1
    assert value(after, "opsin_index_vectors") == 1
    assert value(after, "opsin_ready") == 1
    assert value(after, "opsin_uploads_most") == 4
    assert {said["state"] for said, _ in after["opsin_queue_pictures"]} == {"waiting", "preparing", "committing"}
    assert value(after, "opsin_plugin_state", plugin="colors", state="ready") == 1
    assert value(after, "opsin_plugin_items_total", object="encoder fake", outcome="answered") >= 1
    assert value(after, "opsin_plugin_seconds_total", object="encoder fake") > 0
    assert value(after, "process_open_fds") > 0


def test_metrics_need_a_key_of_any_scope(served: Served) -> None:
    made = served.client.post("/v1/keys", json={"name": "prometheus", "scope": "read"}).json()["key"]
    with served.client_with(None) as nobody, served.client_with(made) as scraper:
        assert (nobody.get("/metrics").status_code, scraper.get("/metrics").status_code) == (401, 200)


def test_metrics_tell_nothing_of_what_was_sent(served: Served) -> None:
    served.client.get("/v1/zebra", params={"q": "crossing"})
    served.client.get("/v1/assets/019a20a7-8d66-7ae0-a15c-eb1c889c71b3")
    served.client.request("BREWZEBRA", "/v1/search")
    text = served.client.get("/metrics").text
    assert not any(each in text for each in ("zebra", "ZEBRA", "crossing", "019a20a7", served.key))


def test_ready_says_what_the_snapshot_of_the_index_lacks(served: Served) -> None:
    found = served.client.get("/v1/health/ready").json()
    assert (found["ready"], found["missing"], found["degraded"]) == (True, [], [])
    assert found["unsaved"] >= 1


@pytest.mark.parametrize(
    ("kind", "state", "ready"),
    [("encoder", "quarantined", False), ("categorizer", "off", True), ("encoder", "idle", True)],
)
def test_a_lost_encoder_ends_readiness_and_any_other_loss_is_told_without_its_reason(
    kind: ObjectKind, state: ObjectState, *, ready: bool
) -> None:
    lost = ObjectStatus(kind=kind, name="it", revision="1", state=state, reason="cannot read /home/ann/secret")
    plugins = (
        PluginStatus(name="good", state="quarantined", objects=(lost,)),
        PluginStatus(name="bad", state="broken", reason="secret"),
        PluginStatus(name="unused", state="off", reason="switched off"),
    )
    index = IndexSize(vectors=3, unsaved=2, bytes=1, saved_at=None)
    found = readiness(LibraryStatus(ingest=IngestStatus(), assets=3, index=index, plugins=plugins, full=True))
    told = () if state == "idle" else (f"the {kind} 'it' is {state}",)
    assert found.ready is ready
    assert found.missing == (() if ready else told)
    assert found.degraded == (*told, "the plugin 'bad' is broken", "the disk of the library is full, or nearly so")
    assert found.unsaved == 2


def test_stages_are_told_to_whoever_listens(library: opsin.Library) -> None:
    told: list[str] = []
    library.stages.listen(lambda stage, seconds: told.append(stage) if seconds >= 0 else None)
    library.add(RED)
    library.add(b"no picture")
    assert sorted(told) == ["analyse", "commit", "decode", "read", "read", "store"]


async def answer(scope: Any, receive: Any, send: Any) -> None:
    scope["path_template"] = "/v1/assets/{asset_id}"
    status = 500 if scope["path"] == "/broken" else 404
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


@pytest.mark.parametrize(("path", "status"), [("/v1/assets/1", 404), ("/broken", 500)])
def test_a_request_is_a_span_of_the_trace_of_who_asks(path: str, status: int) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    inner = Traced(answer, provider.get_tracer("test"))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        note(scope)
        await inner(scope, receive, send)

    async def ask() -> None:
        headers = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "X-Request-Id": "shop-1"}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            await client.get(path, headers=headers)

    asyncio.run(ask())
    span: ReadableSpan
    (span,) = exporter.get_finished_spans()
    assert span.name == "GET /v1/assets/{asset_id}"
    assert span.kind is SpanKind.SERVER
    assert span.parent is not None
    assert format(span.parent.span_id, "x") == "b7ad6b7169203331"
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "http.route": "/v1/assets/{asset_id}",
        "http.response.status_code": status,
        "opsin.request_id": "shop-1",
    }
    assert (span.status.status_code is StatusCode.ERROR) == (status == 500)


def test_without_opentelemetry_there_is_no_span_and_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    assert traced(answer) is answer
