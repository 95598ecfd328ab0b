"""Builds models with open_clip and torch: needed the first time only, until the compiled form is cached."""

from __future__ import annotations

import hashlib
import importlib
import logging
import pickle
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors

from opsin.errors import PluginUnavailable, UnknownName
from opsin_clip import recipe as recipes
from opsin_clip.cache import cached, offline, weights_names
from opsin_clip.recipe import Recipe, Tokens

if TYPE_CHECKING:
    from opsin_clip.architecture import Architecture
    from opsin_clip.names import Source

log = logging.getLogger(__name__)

FIELDS = ("mean", "std", "interpolation", "resize_mode", "fill_color")


def open_clip(extra: Sequence[str]) -> Any:
    """Import open_clip and tell it the architectures of ``extra``.

    :raises PluginUnavailable: where it cannot be imported.
    """
    try:
        module = importlib.import_module("open_clip")
    except (ImportError, RuntimeError) as error:
        msg = f"open_clip cannot be imported ({error}): pip install 'open-clip-torch>=3.2'"
        raise PluginUnavailable(msg) from error
    for entry in extra:
        module.add_model_config(Path(entry).expanduser())
    return module


class TorchModel:
    """One model with its weights, in eval mode, and its recipe."""

    def __init__(self, source: Source, structure: Architecture, extra: Sequence[str]) -> None:
        clip = open_clip(extra)
        path, tag = find_weights(source, extra)
        before = path.stat()
        name = f"local-dir:{source.detail}" if source.kind == "folder" else source.model
        options = {key: tag[key] for key in FIELDS if key in tag}
        with offline(), warnings.catch_warnings():
            # open_clip warns where it builds first and loads afterwards; what was not loaded is an error below
            warnings.simplefilter("ignore")
            self.model = _create(clip, source, name, path, options, quick=bool(tag.get("quick_gelu")))
        preprocess = self.model.visual.preprocess_cfg
        bias = getattr(self.model, "logit_bias", None)
        self.recipe = Recipe(
            format=recipes.FORMAT,
            name=source.name,
            versions=recipes.versions(),
            architecture=structure.digest,
            weights=str(path),
            size=before.st_size,
            mtime_ns=before.st_mtime_ns,
            sha256=_sha256(path),
            dim=structure.dim,
            side=structure.side,
            mean=tuple(preprocess["mean"]),
            std=tuple(preprocess["std"]),
            interpolation=preprocess["interpolation"],
            resize=preprocess["resize_mode"],
            fill=int(preprocess.get("fill_color") or 0),
            scale=float(self.model.logit_scale.detach().exp()),
            bias=0.0 if bias is None else float(bias.detach()),
            tokens=_tokens(source, structure, cuttable=_cuttable(self.model)),
        )

    def image_tower(self) -> Any:
        """Return the module from uint8 pictures (n, side, side, 3) to vectors (n, dim)."""
        return _image_tower(self.model, self.recipe)

    def text_tower(self) -> Any:
        """Return the module from int64 token ids (n, length) to vectors (n, dim)."""
        return _text_tower(self.model)


def find_weights(source: Source, extra: Sequence[str]) -> tuple[Path, dict[str, Any]]:
    """Return where the weights lie on this machine, and what open_clip says of the tag that they belong to.

    :raises UnknownName: for a tag that the model does not have, naming those that it has.
    :raises PluginUnavailable: with the command that fetches them, where they are not here.
    """
    tag = _tag(open_clip(extra), source) if source.kind == "tag" else {}
    return _weights(source, tag), tag


def _tag(clip: Any, source: Source) -> dict[str, Any]:
    found: dict[str, Any] = clip.get_pretrained_cfg(source.model, source.detail)
    if not found:
        tags = ", ".join(clip.list_pretrained_tags_by_model(source.model)) or "none"
        msg = f"{source.model} has no pretrained weights {source.detail!r}; it has: {tags}"
        raise UnknownName(msg)
    return found


def _weights(source: Source, tag: dict[str, Any]) -> Path:
    if source.kind == "file":
        path = Path(source.detail)
        if not path.is_file():
            msg = f"the checkpoint {path} does not exist"
            raise PluginUnavailable(msg)
        return path
    if source.kind == "folder":
        return _in_folder(Path(source.detail))
    repository, _, filename = str(tag.get("hf_hub", "")).rpartition("/") if tag else (source.detail, "", "")
    found = cached(repository, *weights_names(filename)) if repository else None
    if found is None:
        msg = f"the weights of {source.name} are not on this machine: run `opsin encoders install {source.name}`"
        raise PluginUnavailable(msg)
    return found


def _in_folder(folder: Path) -> Path:
    finder = importlib.import_module("open_clip.factory")._find_checkpoint_in_dir  # noqa: SLF001 - its rule, not ours
    found = finder(folder)
    if not found:
        msg = f"{folder} holds no weights (*.safetensors, *.bin or *.pth)"
        raise PluginUnavailable(msg)
    return Path(found)


def _create(
    clip: Any,
    source: Source,
    name: str,
    path: Path,
    options: dict[str, Any],
    *,
    quick: bool,
) -> Any:
    """Build the model and load its weights, all of them, on the CPU in float32."""
    try:
        if source.kind == "hub":
            model = clip.create_model(f"hf-hub:{source.detail}", require_pretrained=True)
        elif source.kind == "folder":
            model = clip.create_model(name, require_pretrained=True)
        else:
            # a tag's weights were trained with the activation that the tag names
            model = clip.create_model(
                name,
                str(path),
                require_pretrained=True,
                force_preprocess_cfg=options,
                **({"force_quick_gelu": True} if quick else {}),
            )
    except (pickle.UnpicklingError, safetensors.SafetensorError, EOFError) as error:
        msg = f"{path} is not a checkpoint that can be read safely (a state_dict or safetensors): {_first(error)}"
        raise PluginUnavailable(msg) from error
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        msg = f"{path} does not hold the weights of {source.name}: {_first(error)}"
        raise PluginUnavailable(msg) from error
    return model.eval().float()


def _first(error: Exception) -> str:
    """Return the first line of an error, at most 200 characters: torch lists every key of a model that differs."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"{lines[0]:.200}"


def _tokens(source: Source, structure: Architecture, *, cuttable: bool) -> Tokens:
    text = structure.model.get("text_cfg", {})
    options = text.get("tokenizer_kwargs", {})
    hub = text.get("hf_tokenizer_name", "")
    if hub and source.kind == "folder":
        hub = source.detail
    causal = not text.get("no_causal_mask", False) and not text.get("hf_model_name")
    first_end = text.get("pool_type", "argmax") in {"argmax", "eos"} and not text.get("embed_cls", False)
    return Tokens(
        length=int(text.get("context_length", 77)),
        clean=options.get("clean", "whitespace" if hub else "lower"),
        hub=hub,
        mode=text.get("tokenizer_mode") or "",
        strip_separator=bool(options.get("strip_sep_token", False)),
        language=options.get("language") or "",
        trim=cuttable and causal and first_end and not hub,
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _image_tower(model: Any, recipe: Recipe) -> Any:
    import torch
    from torch import nn

    class ImageTower(nn.Module):
        """Normalises inside the graph, so that the pictures travel as bytes."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model
            self.register_buffer("mean", torch.tensor(recipe.mean).view(1, 3, 1, 1) * 255)
            self.register_buffer("std", torch.tensor(recipe.std).view(1, 3, 1, 1) * 255)

        def forward(self, pixels: Any) -> Any:
            pictures = (pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std
            return self.model.encode_image(pictures)

    return ImageTower().eval()


def _text_tower(model: Any) -> Any:
    from torch import nn

    class Encode(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, ids: Any) -> Any:
            return self.model.encode_text(ids)

    class ShortEncode(Encode):
        """What ``CLIP.encode_text`` computes, also for texts that are shorter than the model's context."""

        def forward(self, ids: Any) -> Any:
            model, length = self.model, ids.shape[1]
            x = model.token_embedding(ids) + model.positional_embedding[:length]
            mask = None if model.attn_mask is None else model.attn_mask[:length, :length]
            x = model.ln_final(model.transformer(x, attn_mask=mask))
            x = importlib.import_module("open_clip.transformer").text_global_pool(
                x, ids, model.text_pool_type, eos_token_id=model.text_eos_id
            )
            projection = model.text_projection
            if projection is None:
                return x
            return projection(x) if isinstance(projection, nn.Linear) else x @ projection

    tower = ShortEncode() if _cuttable(model) else Encode()
    return tower.eval()


def _cuttable(model: Any) -> bool:
    """Whether ``ShortEncode`` is this model's text tower. Towers of their own (CustomTextCLIP, CoCa) want all."""
    return type(model).__name__ == "CLIP"
