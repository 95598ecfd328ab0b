"""All that must be known of a model to run its compiled form without torch, kept beside the compiled form."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import tempfile
from pathlib import Path

import msgspec

FORMAT = 2  # raise it when the numbers of an encoder would change, or the fields below


class Tokens(msgspec.Struct, frozen=True):
    """How texts become token ids.

    ``hub`` is the repository or folder of a Hugging Face tokenizer; without it CLIP's own byte-pair encoding serves.
    ``trim``: what follows the end of a text changes nothing (a causal tower), so it need not be computed.
    """

    length: int
    clean: str = "lower"
    hub: str = ""
    mode: str = ""
    strip_separator: bool = False
    language: str = ""
    trim: bool = False


class Recipe(msgspec.Struct, frozen=True):
    """``scale`` multiplies cosines and ``bias`` is added to them, as the checkpoint learnt it; sizes are in bytes."""

    format: int
    name: str
    versions: str
    architecture: str
    weights: str
    size: int
    mtime_ns: int
    sha256: str
    dim: int
    side: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str
    resize: str
    fill: int
    scale: float
    bias: float
    tokens: Tokens

    @property
    def revision(self) -> str:
        """Changes whenever the vectors would."""
        parts = [self.format, self.architecture, self.sha256, self.mean, self.std, self.interpolation, self.resize]
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:12]

    def key(self, tower: str) -> str:
        """Return the name of a compiled tower: the model, its weights, and the code that built it."""
        return f"open_clip {tower} {self.revision} {self.sha256} {self.versions}"


def versions() -> str:
    """Return the versions of the packages that build the networks."""
    return " ".join(f"{name}={importlib.metadata.version(name)}" for name in ("open_clip_torch", "timm"))


def load(path: Path, *, name: str, architecture: str) -> Recipe | None:
    """Return the recipe in ``path`` where it still fits the code, the architecture and the weights; else None."""
    try:
        recipe = msgspec.json.decode(path.read_bytes(), type=Recipe)
        state = Path(recipe.weights).stat()
    except (OSError, msgspec.MsgspecError):
        return None
    fits = (recipe.format, recipe.name, recipe.architecture) == (FORMAT, name, architecture)
    same = (recipe.size, recipe.mtime_ns) == (state.st_size, state.st_mtime_ns)
    return recipe if fits and same and recipe.versions == versions() else None


def save(path: Path, recipe: Recipe) -> None:
    """Write ``recipe`` whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.encode(recipe))
    Path(aside).replace(path)
