"""Runs networks: OpenVINO on a CPU, torch on CUDA and MPS. The only module that imports OpenVINO."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sys
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from opsin.cores import available_cores
from opsin.errors import PluginUnavailable
from opsin.host import network_files
from opsin.host.networks import Networks
from opsin.host.torch_network import TorchNetwork
from opsin.host.torch_repair import repair_torchvision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from opsin.plugin import Compiled

log = logging.getLogger(__name__)

Precision = Literal["auto", "bf16", "f32"]
Runtime = Literal["auto", "openvino", "torch"]

FORMAT = 1  # raise it when what is written into the cache changes
LARGEST = 32  # rows that OpenVINO is given at once


def compile_network(
    build: Callable[[], Any],
    example: tuple[NDArray[Any], ...],
    *,
    key: str,
    precision: Precision = "auto",
    cache: Path,
    threads: int = 0,
    runtime: Runtime = "auto",
    networks: Networks | None = None,
) -> Compiled:
    """Make a network runnable on this machine.

    ``build`` returns the ``torch.nn.Module`` in eval mode; with OpenVINO it is called only where the compiled form of
    ``key`` is not in ``cache``, so that torch need not be imported. ``example`` is one input batch: axis 0 of every
    input is dynamic, as is axis 1 of two-dimensional integer inputs (token ids). ``precision="auto"`` is bfloat16
    where the processor computes in it, else float32; "bf16" falls back to float32 where OpenVINO cannot, and
    ``Compiled.runtime`` tells what it became. ``threads=0`` means all cores. ``runtime="auto"`` is torch where it
    sees CUDA or MPS, else OpenVINO. With OpenVINO, hosts that have the same ``networks`` share what is compiled.

    :raises PluginUnavailable: where the runtime is not installed, or the cache folder cannot be written.
    """
    count = threads or available_cores()
    if runtime == "torch" or (runtime == "auto" and accelerator()):
        return TorchNetwork(build, precision=precision, threads=count, device=accelerator() or "cpu")
    known = networks or Networks()
    compiled = known.get(
        (key, precision, str(cache), count),
        lambda: _compile_openvino(build, example, key=key, precision=precision, cache=cache, threads=count),
    )
    return _OpenvinoNetwork(compiled)


def accelerator() -> Literal["cuda", "mps", ""]:
    """Return the accelerator that torch can use; torch is imported only where a driver for one is present."""
    if not _driver_present():
        return ""
    try:
        import torch
    except ImportError:
        return ""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else ""


def _driver_present() -> bool:
    """Whether CUDA, ROCm or Metal could be here, without importing torch (which takes a second or more)."""
    import ctypes

    if sys.platform == "darwin":
        return True
    if Path("/dev/kfd").exists():  # ROCm, whose devices torch also calls cuda
        return True
    try:
        ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return False
    return True


def _openvino() -> Any:
    """Import OpenVINO without its telemetry: it reports home on import unless that package cannot be imported."""
    sys.modules.setdefault("openvino_telemetry", cast("Any", None))
    try:
        import openvino
    except ImportError as error:
        msg = 'OpenVINO cannot be imported: pip install openvino, or set runtime = "torch" under [host] in opsin.toml'
        raise PluginUnavailable(msg) from error
    return openvino


def _compile_openvino(
    build: Callable[[], Any],
    example: tuple[NDArray[Any], ...],
    *,
    key: str,
    precision: Precision,
    cache: Path,
    threads: int,
) -> Any:
    """Return an ``openvino.CompiledModel``."""
    ov = _openvino()
    core = ov.Core()
    full_key = f"{FORMAT}|{ov.__version__}|{key}"
    folder = cache / f"ir-{hashlib.sha256(full_key.encode()).hexdigest()[:32]}"
    model = network_files.read(core, folder, full_key)
    if model is None:
        try:
            network_files.write(ov, _convert(ov, build, example), folder, full_key)
        except OSError as error:
            msg = f"the compiled network cannot be written to {cache}: {error}"
            raise PluginUnavailable(msg) from error
        model = network_files.read(core, folder, full_key)
        if model is None:
            msg = f"the compiled network in {folder} cannot be read back; remove that folder and try again"
            raise PluginUnavailable(msg)
    return core.compile_model(
        model,
        "CPU",
        {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": _openvino_precision(core, precision),
            # The host has counted the threads: use each of them, and let the system place them.
            "ENABLE_HYPER_THREADING": True,
            "ENABLE_CPU_PINNING": False,
        },
    )


def _openvino_precision(core: Any, wanted: Precision) -> str:
    """Return OpenVINO's name for the precision. bf16 only where the processor itself computes in it.

    "BF16" among the capabilities is also true where OpenVINO would emulate it (AVX-512 without BF16), slowly;
    OpenVINO's own default is bf16 just where AVX512_BF16 or AMX is there.
    """
    able = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    native = "bfloat16" in str(core.get_property("CPU", "INFERENCE_PRECISION_HINT"))
    if wanted == "bf16" and not able:
        log.warning("this processor has no bfloat16: float32 is used instead")
    return "bf16" if able and (wanted == "bf16" or (wanted == "auto" and native)) else "f32"


def _convert(ov: Any, build: Callable[[], Any], example: tuple[NDArray[Any], ...]) -> Any:
    """Return the OpenVINO model of ``build()``, with the dynamic axes of ``compile_network``."""
    repair_torchvision()
    import torch

    shapes = []
    for array in example:
        dynamic = 2 if array.ndim == 2 and np.issubdtype(array.dtype, np.integer) else 1
        shapes.append(ov.PartialShape([-1] * dynamic + list(array.shape[dynamic:])))
    inputs = tuple(torch.from_numpy(np.ascontiguousarray(array)) for array in example)
    module = build()
    with _quiet(), _slow_attention(torch), torch.no_grad():
        # Without check_trace=False torch traces twice, runs both and compares them; what differs is only warned of.
        from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

        traced = TorchScriptPythonDecoder(module, example_input=inputs, trace_kwargs={"check_trace": False})
        model = ov.convert_model(traced, example_input=inputs, input=shapes if len(shapes) > 1 else shapes[0])
    for port, array in zip(model.inputs, example, strict=True):
        port.get_node().set_element_type(ov.Type(array.dtype))
    model.validate_nodes_and_infer_types()
    return model


@contextlib.contextmanager
def _slow_attention(torch: Any) -> Iterator[None]:
    """Take torch's fused attention, which the converter cannot read, out of use for a while."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the tracer's remarks about shapes that it takes for constants; the tests compare the numbers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class _OpenvinoNetwork:
    """A compiled OpenVINO model with one request, used by one caller at a time; others may have requests of their own."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled  # for as long as this is used, ``Networks`` lends it to others
        precision = str(compiled.get_property("INFERENCE_PRECISION_HINT"))
        self.runtime = "openvino bf16" if "bfloat16" in precision else "openvino f32"
        self._request = compiled.create_infer_request()
        self._outputs = len(compiled.outputs)
        self._lock = threading.Lock()

    def __call__(self, *inputs: NDArray[Any]) -> tuple[NDArray[np.float32], ...]:
        arrays = [np.ascontiguousarray(array) for array in inputs]
        with self._lock:
            parts = [self._infer([array[start:stop] for array in arrays]) for start, stop in _parts(len(arrays[0]))]
        return tuple(np.concatenate(pieces) for pieces in zip(*parts, strict=True))

    def _infer(self, arrays: list[NDArray[Any]]) -> list[NDArray[np.float32]]:
        self._request.infer(arrays, share_inputs=True)
        # a copy: the request writes the next batch into the same memory
        return [np.array(self._request.get_output_tensor(n).data, dtype=np.float32) for n in range(self._outputs)]


def _parts(rows: int) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of parts whose sizes are powers of two, the largest first; one empty part for no rows.

    OpenVINO prepares its kernels anew for every batch size that it meets (about 0.2 s for a ViT-B-32); this way it
    meets six sizes at most, nothing is padded, and memory is bounded by a batch of ``LARGEST``.
    """
    start = 0
    while rows - start > 0:
        size = min(LARGEST, 1 << (rows - start).bit_length() - 1)
        yield start, start + size
        start += size
    if rows == 0:
        yield 0, 0
