"""The two networks as torch modules. Only their builders import this; a warm start never does."""

from __future__ import annotations

import pickle
import re
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from opsin.errors import Damaged

if TYPE_CHECKING:
    from pathlib import Path

_TOP = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_FIRST_BLOCK = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
# how many blocks each of EfficientNet-Lite2's seven stages has
_STAGES = (1, 3, 3, 4, 4, 5, 1)


def read_image_weights(path: Path) -> dict[str, Tensor]:
    """Return EfficientNet-Lite2's tensors under timm's names, from a checkpoint with either package's names.

    :raises Damaged: where the file is no such checkpoint.
    """
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, KeyError, EOFError, OSError) as error:
        # torch's own message recommends to load the file unsafely: leave it out
        msg = f"{path} is not an EfficientNet-Lite2 checkpoint: it cannot be read as a table of tensors"
        raise Damaged(msg) from error
    tensors = cast("dict[str, Tensor]", loaded)
    if "classifier.weight" not in tensors:
        tensors = {_timm_name(name): tensor for name, tensor in tensors.items()}
    if tuple(getattr(tensors.get("classifier.weight"), "shape", ())) != (1000, 1280):
        msg = f"{path} is not an EfficientNet-Lite2 checkpoint with the 1,000 classes of ImageNet"
        raise Damaged(msg)
    return tensors


def _timm_name(name: str) -> str:
    """Return timm's name of a tensor that EfficientNet-Lite-PyTorch calls ``name``."""
    found = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)
    if found is None:
        layer, _, rest = name.partition(".")
        return f"{_TOP.get(layer, layer)}.{rest}"
    number, layer, rest = int(found[1]), found[2], found[3]
    names = _BLOCK if number else _FIRST_BLOCK
    stage = 0
    while stage < len(_STAGES) - 1 and number >= _STAGES[stage]:
        number -= _STAGES[stage]
        stage += 1
    return f"blocks.{stage}.{number}.{names.get(layer, layer)}.{rest}"


class ImageNetwork(nn.Module):
    """EfficientNet-Lite2 (Tan and Le 2019; Lite variant by Google, 2020) on ImageNet-1k.

    uint8 (n, 260, 260, 3) RGB in; float32 (n, 1280) pooled features and (n, 1000) logits out.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        import timm

        network = timm.create_model("tf_efficientnet_lite2", pretrained=False)
        network.load_state_dict(read_image_weights(path))
        self.network: Any = network
        self.eval()

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        weight = self.network.classifier.weight
        images = (pixels.permute(0, 3, 1, 2).to(weight.dtype) - 127.0) / 128.0
        features = self.network.forward_features(images).mean((2, 3))
        return features, self.network.classifier(features)


class TextNetwork(nn.Module):
    """all-MiniLM-L6-v2 (Wang et al. 2020; Reimers and Gurevych 2019): a BERT with 6 layers of 384, mean pooled.

    int64 (n, length) token ids and mask in (0 where padded); float32 (n, 384) unit rows out.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        from safetensors.torch import load_file

        for name, tensor in load_file(path).items():
            if tensor.is_floating_point():
                self.register_buffer(name.replace(".", "_"), tensor)
        self.eval()

    def _linear(self, values: Tensor, name: str) -> Tensor:
        return functional.linear(values, self.get_buffer(f"{name}_weight"), self.get_buffer(f"{name}_bias"))

    def _norm(self, values: Tensor, name: str) -> Tensor:
        weight, bias = self.get_buffer(f"{name}_weight"), self.get_buffer(f"{name}_bias")
        return functional.layer_norm(values, (384,), weight, bias, 1e-12)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        places = torch.cumsum(torch.ones_like(ids), dim=1) - 1
        x = functional.embedding(ids, self.get_buffer("embeddings_word_embeddings_weight"))
        x = x + functional.embedding(places, self.get_buffer("embeddings_position_embeddings_weight"))
        x = self._norm(x + self.get_buffer("embeddings_token_type_embeddings_weight")[0], "embeddings_LayerNorm")
        keep = mask.to(x.dtype)
        hide = (1.0 - keep[:, None, None, :]) * -1e4
        for layer in range(6):
            at = f"encoder_layer_{layer}_"
            query, key, value = (
                self._linear(x, f"{at}attention_self_{part}").view(*ids.shape, 12, 32).transpose(1, 2)
                for part in ("query", "key", "value")
            )
            attention = torch.softmax(query @ key.transpose(2, 3) / 32**0.5 + hide, dim=-1) @ value
            attention = self._linear(attention.transpose(1, 2).flatten(2), f"{at}attention_output_dense")
            x = self._norm(x + attention, f"{at}attention_output_LayerNorm")
            inner = functional.gelu(self._linear(x, f"{at}intermediate_dense"))
            x = self._norm(x + self._linear(inner, f"{at}output_dense"), f"{at}output_LayerNorm")
        pooled = (x * keep[..., None]).sum(1) / keep.sum(1, keepdim=True)
        return functional.normalize(pooled, dim=1)
