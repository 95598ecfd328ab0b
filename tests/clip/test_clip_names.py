"""Names, cards and what is found on this machine, without importing torch."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import opsin
import opsin_clip
from opsin.errors import OpsinError, PluginUnavailable, UnknownName
from opsin.host.torch_repair import watch_torchvision
from opsin_clip import cache, hub
from opsin_clip.architecture import architecture
from opsin_clip.cards import cards
from opsin_clip.names import parse
from opsin_clip.torch_models import TorchModel


def test_the_bare_name_is_the_default_model_and_it_may_be_used_commercially() -> None:
    (default,) = [card for card in cards() if card.default]
    assert parse("open_clip").name == default.name
    assert default.commercial


def test_every_card_can_be_parsed_and_tells_how_it_is_installed() -> None:
    for card in cards():
        encoder = opsin_clip.opsin_encoder(card.name, opsin_clip.Config())
        assert encoder is not None
        assert (encoder.name, encoder.dim, encoder.languages) == (card.name, card.dim, card.languages)
        assert card.install.endswith(card.name)
        assert card.licence_url.startswith("https://")


def test_a_hub_that_does_not_answer_is_an_error_before_anything_is_tried_again_and_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(PluginUnavailable, match=r"http://127\.0\.0\.1:1 does not answer.*name them: open_clip:MODEL@"):
        hub.install(parse("open_clip"), ())
    assert caplog.text == ""
    assert constants.HF_HUB_DISABLE_TELEMETRY


def test_weights_for_research_only_say_so() -> None:
    assert [card.name for card in cards() if not card.commercial] == ["open_clip:MobileCLIP2-S0/dfndr2b"]


@pytest.mark.parametrize(
    ("name", "kind", "model", "detail"),
    [
        ("open_clip:ViT-B-32/laion2b_s34b_b79k", "tag", "ViT-B-32", "laion2b_s34b_b79k"),
        ("open_clip:ViT-B-32@/somewhere/b.pt", "file", "ViT-B-32", "/somewhere/b.pt"),
        ("open_clip:local-dir:/somewhere/model", "folder", "model", "/somewhere/model"),
        ("open_clip:hf-hub:someone/model", "hub", "someone/model", "someone/model"),
    ],
)
def test_a_name_says_where_the_weights_come_from(name: str, kind: str, model: str, detail: str) -> None:
    source = parse(name)
    assert (source.name, source.kind, source.model, source.detail) == (name, kind, model, detail)


def test_a_relative_path_becomes_absolute_so_that_the_library_finds_it_again() -> None:
    assert parse("open_clip:ViT-B-32@b.pt").detail == str(Path.cwd() / "b.pt")


@pytest.mark.parametrize("name", ["open_clip:ViT-B-32", "open_clip:/tag", "open_clip:a/b/c", "open_clip:hf-hub:model"])
def test_a_name_of_another_form_is_refused_with_the_forms(name: str) -> None:
    with pytest.raises(UnknownName, match=r"write|written"):
        parse(name)


def test_an_unknown_model_names_those_that_are_near() -> None:
    with pytest.raises(UnknownName, match="ViT-B-32"):
        opsin_clip.opsin_encoder("open_clip:VIT-B-32/openai", opsin_clip.Config())


def test_names_of_other_encoders_are_left_to_others() -> None:
    assert opsin_clip.opsin_encoder("starter", opsin_clip.Config()) is None
    assert opsin_clip.opsin_encoder("open_clipper:x", opsin_clip.Config()) is None


def test_what_is_in_the_hubs_cache_counts_as_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert not any(card.installed for card in cards())
    snapshot = tmp_path / "models--laion--CLIP-ViT-B-32-DataComp.XL-s13B-b90K" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("abc")
    (snapshot / "open_clip_model.safetensors").write_bytes(b"weights")
    assert [card.name for card in cards() if card.installed] == [parse("open_clip").name]
    assert cache.cached("laion/CLIP-ViT-B-32-DataComp.XL-s13B-b90K", "other.bin") is None


def problem(name: str) -> str:
    """Return what is said where the weights of ``name`` cannot be had."""
    watch_torchvision()
    source = parse(name)
    with pytest.raises((PluginUnavailable, UnknownName)) as caught:
        TorchModel(source, architecture(source, ()), ())
    return str(caught.value)


def test_missing_weights_name_the_command_that_fetches_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert f"opsin encoders install {parse('open_clip').name}" in problem("open_clip")


def test_a_tag_that_does_not_exist_lists_those_that_do() -> None:
    assert problem("open_clip:ViT-B-16-SigLIP2/laion").endswith("it has: webli")


def test_a_checkpoint_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert problem(f"open_clip:ViT-B-32@{tmp_path}/missing.pt").endswith("missing.pt does not exist")


def test_a_file_that_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.pt").write_bytes(b"not a checkpoint")
    assert "broken.pt" in problem(f"open_clip:RN50@{tmp_path}/broken.pt")


def test_cards_and_unloaded_encoders_need_no_model_library() -> None:
    code = """
        import sys
        import opsin_clip
        assert not {"numpy", "huggingface_hub"} & set(sys.modules)
        config = opsin_clip.Config()
        cards = opsin_clip.opsin_encoders()
        assert [opsin_clip.opsin_encoder(card.name, config).dim for card in cards] == [card.dim for card in cards]
        print(sorted({"torch", "open_clip", "timm", "transformers", "openvino"} & set(sys.modules)))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("open_clip:ViT-B-32/nosuch", UnknownName, "ViT-B-32 has no pretrained weights 'nosuch'; it has: openai, "),
        ("open_clip:ViT-B-32/openai", PluginUnavailable, "run `opsin encoders install open_clip:ViT-B-32/openai`"),
        ("open_clip:nosuch/x", UnknownName, "open_clip knows no model 'nosuch'. `opsin encoders` lists those"),
        ("open_clip:ViT-B-23/x", UnknownName, "near: ViT-B-32"),
        ("open_clip:/models/clip.pt", UnknownName, "write open_clip:MODEL/TAG, open_clip:MODEL@/path"),
        ("open_clip:ViT-B-32@/nowhere/clip.pt", PluginUnavailable, "the checkpoint /nowhere/clip.pt does not exist"),
        ("open_clip:hf-hub:some/one", PluginUnavailable, "run `opsin encoders install open_clip:hf-hub:some/one`"),
    ],
)
def test_no_library_is_made_for_weights_that_are_not_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: type[OpsinError], says: str
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(kind) as caught:
        opsin.init(tmp_path / "library", encoder=name)
    assert says in str(caught.value)
    assert "failed" not in str(caught.value), "whoever misspells a name is not told that a plugin is broken"
    assert not (tmp_path / "library").exists()
