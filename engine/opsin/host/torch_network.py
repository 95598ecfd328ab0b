"""Runs networks with torch: on CUDA and MPS, and on a CPU where that is forced."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from opsin.host.torch_repair import repair_torchvision

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


class TorchNetwork:
    """A torch module on one device; bfloat16 by autocast, so that what needs float32 keeps it."""

    def __init__(self, build: Callable[[], Any], *, precision: str, threads: int, device: str) -> None:
        repair_torchvision()
        import torch

        self._torch = torch
        self._device = torch.device(device)
        self._bf16 = precision == "bf16" or (precision == "auto" and _torch_bf16(torch, device))
        if device == "cpu":
            torch.set_num_threads(threads)
        self._module = build().to(self._device)
        self._lock = threading.Lock()
        self.runtime = f"torch {device} {'bf16' if self._bf16 else 'f32'}"

    def __call__(self, *inputs: NDArray[Any]) -> tuple[NDArray[np.float32], ...]:
        torch = self._torch
        autocast = torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._bf16)
        with self._lock, torch.inference_mode(), autocast:
            tensors = [torch.from_numpy(np.ascontiguousarray(array)).to(self._device) for array in inputs]
            outputs = self._module(*tensors)
            if not isinstance(outputs, (tuple, list)):
                outputs = (outputs,)
            return tuple(np.array(output.float().cpu().numpy()) for output in outputs)


def _torch_bf16(torch: Any, device: str) -> bool:
    """Whether the device computes in bfloat16 itself. On a CPU and on MPS that is left to who asks for it."""
    return device == "cuda" and bool(torch.cuda.is_bf16_supported(including_emulation=False))
