"""A categorizer that fails is contained, and whoever added pictures is told that its reports are missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opsin.testing import jpeg_bytes, make_picture

SULKING = '''\
"""A categorizer that fails on every picture, or on none where it is told to be good."""

import msgspec
import opsin


class Config(msgspec.Struct, forbid_unknown_fields=True):
    how: str = "raise"


class Sulking(opsin.Categorizer):
    id = "sulking"
    revision = "1"
    needs = frozenset({"embedding"})
    vocabulary = opsin.Vocabulary(name="sulking", labels=(opsin.Label(id="sulk"),))

    def __init__(self, how):
        self.how = how

    def categorize(self, batch):
        if self.how == "raise":
            raise ValueError("not today")
        if self.how == "decline":
            return [opsin.Declined("it is too dark to tell") for _ in batch]
        return [opsin.Matches((opsin.Match("sulk", float("nan") if self.how == "nan" else 0.9),)) for _ in batch]


@opsin.hookimpl
def opsin_manifest():
    return opsin.Manifest(name="sulking", summary="Fails", isolate=False, config=Config)


@opsin.hookimpl
def opsin_categorizers(config):
    if config.how == "hook":
        raise ValueError("not even declared")
    return [Sulking(config.how)]
'''

WEIGHTLESS = """\
import opsin
from opsin.testing import FakeEncoder


def load(self, context):
    raise opsin.errors.PluginUnavailable("its weights are gone: pip install fake-weights")


FakeEncoder.load = load


@opsin.hookimpl
def opsin_manifest():
    return opsin.Manifest(name="weightless", summary="Takes the weights away", isolate=False)
"""

Run = Callable[..., Any]


@pytest.fixture
def sulking(with_plugin: Callable[..., Path]) -> Callable[[str], None]:
    """Give the library the plugin, and return a function that says how it is to behave."""
    settings = with_plugin("sulking", SULKING) / "opsin.toml"
    text = settings.read_text("utf-8")

    def behave(how: str) -> None:
        settings.write_text(f'{text}\n[plugins.sulking]\nhow = "{how}"\n', "utf-8")

    behave("raise")
    return behave


@pytest.mark.parametrize(("how", "reason"), [("raise", "raised ValueError: not today"), ("nan", "score")])
def test_reports_that_fail_again_are_problems_of_reanalysis_and_its_exit_status(
    sulking: Callable[[str], None], run: Run, how: str, reason: str
) -> None:
    sulking(how)
    for arguments in (["--missing"], ["--categorizer", "sulking"]):
        ran = run("reanalyse", *arguments)
        assert ran.status == 5
        assert "6 pictures asked about again (none opened): no tag came or went, 6 problems." in ran.out
        told = ran.err.splitlines()
        assert len([line for line in told if line.startswith("/") and reason in line]) == 6
        assert told[-1].startswith("sulking failed on 6 pictures, which lack its report: ")
    lines = run("reanalyse", "--missing", "--json").lines
    assert [(line["status"], line["problem"]["code"]) for line in lines] == [("failed", "plugin")] * 6
    assert reason in lines[0]["failed_reports"]["sulking"]
    sulking("well")
    assert run("reanalyse", "--missing").status == 0


def test_whoever_adds_pictures_is_told_which_categorizer_failed_and_what_to_do(
    sulking: Callable[[str], None], photos: Path, run: Run
) -> None:
    for name in ("one", "two"):
        (photos / f"{name}.jpg").write_bytes(jpeg_bytes(make_picture("red", "ring", 70 + len(name) + ord(name[0]))))
    ran = run("tag", photos / "one.jpg")
    assert ran.err.startswith("sulking failed on 1 picture, which lack its report: ")
    ran = run("add", photos / "one.jpg")
    assert ran.status == 0, "the picture was added, and heals"
    (line,) = ran.err.splitlines()
    assert line.startswith("sulking failed on 1 picture, which lack its report: the categorizer 'sulking'")
    assert line.endswith(
        "raised ValueError: not today; `opsin plugins` says how it is, `opsin reanalyse --missing` asks it again"
    )
    ran = run("add", photos, "--json")
    assert ran.status == 0
    assert [line["status"] for line in ran.lines if "failed_reports" in line] == ["added"]
    assert json.loads(ran.err)["code"] == "plugin"
    assert json.loads(ran.err)["message"].startswith("sulking failed on 1 picture")
    shown = run("show", "one.jpg").out
    assert "failed     sulking: the categorizer 'sulking' of the plugin 'sulking' raised ValueError: not today" in shown
    sulking("decline")
    assert run("reanalyse", "--missing").status == 0
    assert run("add", photos).err == ""
    assert "sulking: it is too dark to tell" in run("show", "one.jpg").out
    assert run("show", "one.jpg", "--json").lines[0]["declined"]["sulking"] == "it is too dark to tell"


@pytest.mark.parametrize("how", ["raise", "nan"])
def test_the_doctor_of_plugins_finds_one_that_fails_on_every_picture(
    sulking: Callable[[str], None], run: Run, how: str
) -> None:
    sulking(how)
    ran = run("plugins", "doctor")
    assert ran.status == 1
    assert "Something is wrong with sulking." in ran.out
    assert "ValueError: not today" in ran.out or "score" in ran.out
    assert [entry["area"] for entry in run("doctor", "--json").lines if entry["state"] == "problem"] == [
        "plugins",
        "reports",
    ]
    sulking("well")
    assert run("plugins", "doctor").out.endswith("All plugins work.\n")


def test_a_plugin_whose_hook_raises_is_broken_wherever_plugins_are_listed(
    sulking: Callable[[str], None], run: Run
) -> None:
    sulking("hook")
    (entry,) = [entry for entry in run("plugins", "--json").lines if entry["name"] == "sulking"]
    assert entry["state"] == "broken"
    assert "ValueError: not even declared" in entry["reason"]
    assert "broken: opsin_categorizers raised ValueError: not even declared" in run("plugins", "show", "sulking").out


def test_plugins_are_listed_with_the_pictures_that_they_failed_on(sulking: Callable[[str], None], run: Run) -> None:
    told = "it failed on 6 pictures: `opsin reanalyse --missing` asks it again"
    assert told not in run("plugins").out
    run("reanalyse", "--missing")
    assert told in run("plugins").out
    assert told in run("plugins", "show", "sulking").out
    assert [entry["failed_reports"] for entry in run("plugins", "--json").lines if entry["name"] == "sulking"] == [6]
    sulking("well")
    run("reanalyse", "--missing")
    assert told not in run("plugins").out


def test_a_command_that_ends_tells_a_plugins_failure_once_and_promises_no_other_try(
    with_plugin: Callable[..., Path], tmp_path: Path
) -> None:
    with_plugin("weightless", WEIGHTLESS)
    told = "the encoder 'fake' of the plugin 'fake' could not be loaded: it failed: its weights are gone: pip install fake-weights"
    in_words, in_json = (
        subprocess.run(
            [sys.executable, "-c", "from opsin.cli import main; main()", "search", "dog", *options],
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        for options in ([], ["--json"])
    )
    assert (in_words.returncode, in_words.stdout, in_words.stderr) == (5, "", f"Error: {told}\n")
    assert json.loads(in_json.stderr)["message"] == told
