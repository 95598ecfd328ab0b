"""Lets torchvision be imported beside a torch that cannot load torchvision's compiled library."""

from __future__ import annotations

import functools
import importlib
import importlib.abc
import importlib.machinery
import logging
import sys
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

# The two operators for which torchvision registers shape rules at import whether its library was loaded or not;
# without their schemas that import ends with "operator torchvision::nms does not exist".
_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


class _Watch(importlib.abc.MetaPathFinder):
    """Repairs just before torchvision is imported, whoever imports it; never finds a module itself."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:  # noqa: ARG002 - its protocol
        if fullname == "torchvision":
            repair_torchvision()


def watch_torchvision() -> None:
    """Let every later import of torchvision, by any plugin, be repaired first. Imports nothing itself."""
    if not any(isinstance(finder, _Watch) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Watch())


@functools.cache
def repair_torchvision() -> Any:
    """Make ``import torchvision`` work; call it before whatever imports timm, open_clip or transformers.

    torchvision's wheel on PyPI is built for CUDA, so its ``_C`` library does not load beside a CPU-only torch. Only in
    that case are the missing operators declared (declared, not implemented: detection is not what Opsin does). Where
    the library loads, or torchvision is not installed, nothing happens. Returns the torch library that holds the
    declarations, which live as long as it does, or None; the cache keeps it alive.
    """
    spec = importlib.machinery.PathFinder.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return None
    torch: Any = importlib.import_module("torch")
    if _loads(torch, Path(spec.origin).parent):
        return None
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in _SCHEMAS:
        if not hasattr(torch.ops.torchvision, schema.partition("(")[0]):
            library.define(schema)
    log.debug("torchvision's own library does not load beside this torch; declared its operators nms and qnms")
    return library


def _loads(torch: Any, folder: Path) -> bool:
    """Whether torchvision's compiled library can be loaded into this process."""
    for path in sorted(folder.glob("_C*")):
        try:
            torch.ops.load_library(str(path))
        except (OSError, ImportError):
            continue
        return True
    return False
