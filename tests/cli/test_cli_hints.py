"""What a command tells to do next can be done: the hint of `opsin init` is followed to a library with a better encoder."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from tests.cli.conftest import Run

PLUGIN = """
from pathlib import Path
import msgspec
from opsin import EncoderCard, Manifest, hookimpl
from opsin.testing import FakeEncoder

WEIGHTS = Path(__file__).with_name("weights")

class Best(FakeEncoder):
    name = "fetched:best"

@hookimpl
def opsin_manifest():
    return Manifest(name="fetched", summary="An encoder whose weights are fetched")

@hookimpl
def opsin_encoders():
    card = EncoderCard(
        name="fetched:best", summary="The best", dim=64, size=3_000_000, licence="MIT", licence_url="", commercial=True,
        languages=("en",), installed=WEIGHTS.exists(), install="opsin encoders install fetched:best", default=True,
    )
    return [card]

@hookimpl
def opsin_encoder_install(name, config):
    if name != "fetched:best":
        return None
    WEIGHTS.touch()
    return True

@hookimpl
def opsin_encoder(name):
    return Best() if name == "fetched:best" and WEIGHTS.exists() else None
"""
SETTINGS = """\
[host]
extra_plugins = ["encoder_that_is_fetched"]

[plugins.open_clip]
enabled = false
"""


def test_who_follows_the_hint_of_init_has_a_library_with_the_better_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    (tmp_path / "encoder_that_is_fetched.py").write_text(PLUGIN, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        (folder / "opsin.toml").write_text(SETTINGS, "utf-8")
    monkeypatch.setenv("OPSIN_HOME", str(first))
    ran = run("init")
    assert "with the encoder starter" in ran.out
    assert "(3.0 MB)" in ran.out
    hints = re.findall("`opsin (.*?)`", ran.out)
    assert len(hints) == 2
    for hint in hints:
        followed = run(*shlex.split(hint.replace("FOLDER", str(second))))
        assert (followed.status, followed.err) == (0, "")
    assert "with the encoder fetched:best" in followed.out
    assert "encoder" not in followed.out.partition("admin.key")[2]
    assert run("encoders").out.count("yes") == 2
