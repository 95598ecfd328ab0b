"""`opsin plugins`, `opsin plugin` and `opsin encoders`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import opsin
from opsin.services.keeping.speed import speeds

RESEARCH = """\
import opsin


@opsin.hookimpl
def opsin_manifest():
    return opsin.Manifest(name="scholar", summary="A test")


@opsin.hookimpl
def opsin_encoders():
    return [
        opsin.EncoderCard(
            name="scholar:big", summary="", dim=64, size=1, licence="Scholars only", licence_url="https://a.test/licence",
            commercial=False, languages=("mul",), installed=False, install="opsin encoders install scholar:big",
        )
    ]


@opsin.hookimpl
def opsin_encoder_install(name):
    raise opsin.errors.PluginUnavailable("the hub does not answer: check the connection")
"""

EXTRA = """\
import opsin

INSTALLED = []


@opsin.hookimpl
def opsin_manifest():
    return opsin.Manifest(name="{name}", summary="A test", requires={requires})


@opsin.hookimpl
def opsin_encoder_install(name, config):
    if name.startswith("{name}:"):
        INSTALLED.append(name)
        return True
"""


STRANGE = """\
import msgspec
import opsin


class Config(msgspec.Struct):
    how: str = "well"


class Strange(opsin.Categorizer):
    id = "a_stranger"
    needs = frozenset({{"embedding"}})
    vocabulary = opsin.Vocabulary(name="a_stranger", labels=(opsin.Label(id="strange"),))
    declines = revision = runtime = property(lambda self: self.read())

    def read(self):
        raise RuntimeError("boom")

    def categorize(self, batch):
        return [opsin.Matches() for _ in batch]


@opsin.hookimpl
def opsin_manifest():
    return opsin.Manifest(name="a_stranger", summary="Fails wherever it is asked", isolate=False)


@opsin.hookimpl
def opsin_categorizers():
    return [type("Strange", (Strange,), {{"revision": "1", "declines": {{}}, "runtime": "", "{attribute}": Strange.runtime}})()]


@opsin.hookimpl
def opsin_vocabularies():
    {vocabularies}


@opsin.hookimpl
def opsin_encoder(name):
    raise RuntimeError("boom")


@opsin.hookimpl
def opsin_encoder_install(name):
    raise RuntimeError("boom")
"""


@pytest.mark.parametrize("attribute", ["revision", "declines", "runtime"])
def test_an_object_of_which_an_attribute_cannot_be_read_is_broken_and_the_others_work(
    with_plugin: Callable[..., Path], photos: Path, run: Callable[..., Any], attribute: str
) -> None:
    with_plugin("a_stranger", STRANGE.format(attribute=attribute, vocabularies="return []"))
    (entry,) = [entry for entry in run("plugins", "--json").lines if entry["name"] == "a_stranger"]
    assert entry["state"] == "broken"
    assert entry["reason"] == "an attribute of Strange cannot be read: it raised RuntimeError: boom"
    assert run("add", photos).status == run("search", "red").status == 0
    assert run("plugins", "doctor").status == 1


@pytest.mark.parametrize("vocabularies", ["raise RuntimeError('boom')", "return ['no vocabulary']"])
def test_a_plugin_that_fails_where_it_is_asked_for_a_name_keeps_no_other_from_answering(
    with_plugin: Callable[..., Path],
    run: Callable[..., Any],
    vocabularies: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPSIN_CACHE", str(tmp_path / "cache"))
    home = with_plugin("a_stranger", STRANGE.format(attribute="revision", vocabularies=vocabularies))
    with_plugin("fetcher", EXTRA.format(name="fetcher", requires="()"))
    assert run("encoders", "install", "fetcher:big").status == 0
    assert run("encoders", "measure", "fake").status == 0
    assert "everyday" in run("vocabulary", "list", "--shipped").out
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    (fresh / "opsin.toml").write_text((home / "opsin.toml").read_text("utf-8"), "utf-8")
    assert run("init", "--library", fresh, "--encoder", "fake").status == 0
    ran = run("encoders", "install", "nothing:big")
    assert ran.status == 5
    assert "the plugin 'a_stranger' failed: opsin_encoder_install raised RuntimeError: boom" in ran.err


def test_every_plugin_is_listed_with_its_state(home: Path, run: Callable[..., Any]) -> None:
    states = {entry["name"]: entry["state"] for entry in run("plugins", "--json").lines}
    assert states["fake"] == "ready"
    assert states["zero_shot"] == "ready"
    assert states["starter"] == "off"
    assert run("plugins", "list", "--json").out == run("plugins", "--json").out
    assert "zero_shot" in run("plugins").out


def test_a_plugin_is_shown_with_its_settings(home: Path, run: Callable[..., Any]) -> None:
    ran = run("plugins", "show", "zero_shot")
    assert ran.status == 0
    assert "[plugins.zero_shot]" in ran.out
    assert "everyday" in ran.out
    ran = run("plugins", "show", "nothing")
    assert ran.status == 2
    assert "zero_shot" in ran.err


def test_the_doctor_loads_every_object_and_says_what_it_runs_on(home: Path, run: Callable[..., Any]) -> None:
    ran = run("plugins", "doctor", "--json")
    assert ran.status == 0
    fake = next(entry for entry in ran.lines if entry["name"] == "fake")
    assert {item["state"] for item in fake["objects"]} == {"ready"}
    assert [item["runtime"] for item in fake["objects"] if item["kind"] == "encoder"] == ["numpy"]
    assert "All plugins work." in run("plugins", "doctor").out


def test_a_plugin_that_lacks_something_names_what_to_install(
    with_plugin: Callable[..., Path], run: Callable[..., Any]
) -> None:
    requires = '(opsin.Requirement("no_such_module", "no-such-package"),)'
    with_plugin("needy", EXTRA.format(name="needy", requires=requires))
    ran = run("plugins", "doctor")
    assert ran.status == 1
    assert "pip install 'no-such-package'" in ran.out
    assert "Something is wrong with needy" in ran.out


def test_a_plugin_that_cannot_be_imported_is_broken_and_the_others_work(
    with_plugin: Callable[..., Path], run: Callable[..., Any]
) -> None:
    with_plugin("wreck", "raise RuntimeError('sunk')\n")
    ran = run("plugins", "doctor", "--json")
    assert ran.status == 1
    assert {entry["name"] for entry in ran.lines if entry["state"] == "broken"} == {"wreck"}
    assert run("search", "red", "--all").status == 0


def test_an_encoder_is_fetched_by_the_plugin_that_has_it(
    with_plugin: Callable[..., Path], run: Callable[..., Any]
) -> None:
    with_plugin("fetcher", EXTRA.format(name="fetcher", requires="()"))
    ran = run("encoders", "install", "fetcher:big", "--json")
    assert ran.status == 0
    assert ran.lines == [{"encoder": "fetcher:big", "fetched": True}]
    assert run("encoders", "install", "fake", "--json").lines[0]["fetched"] is False
    ran = run("encoders", "install", "nothing")
    assert ran.status == 2
    assert "nothing" in ran.err


def labels_of(home: Path, name: str) -> dict[str, str]:
    """Return the tags of an asset with who gave them."""
    with opsin.open(home, readonly=True) as library:
        return {tag.label: tag.by for tag in library.get(name).tags}


def test_weights_that_may_not_be_used_commercially_are_warned_of(
    with_plugin: Callable[..., Path], run: Callable[..., Any]
) -> None:
    with_plugin("scholar", RESEARCH)
    told = run("encoders").out
    assert "NO COMMERCIAL" in told
    assert "many" in told
    ran = run("encoders", "install", "scholar:big")
    assert ran.status == 5
    assert "may not be used commercially: Scholars only, https://a.test/licence" in ran.err
    assert ran.err.endswith("Error: the hub does not answer: check the connection\n")


def test_a_word_that_is_taken_for_a_label_is_told(home: Path, photos: Path, run: Callable[..., Any]) -> None:
    ran = run("label", "red-circle.jpg", "--add", "automobile", "--add", "Keeper", "--json")
    assert ran.err == "automobile is the label car here, by its name or a synonym.\n"
    assert labels_of(home, "red-circle.jpg")["car"] == "person"
    assert "automobile is the label car" in run("add", photos, "--tag", "automobile").err


def test_what_a_plugin_said_can_be_dropped_once_it_is_switched_off(home: Path, run: Callable[..., Any]) -> None:
    run("label", "red-circle.jpg", "--add", "cyan")
    before = labels_of(home, "red-circle.jpg")
    assert before["red"] == "model"
    ran = run("plugins", "forget", "colors")
    assert ran.status == 2
    assert "colors is in use: switch it off first" in ran.err
    settings = home / "opsin.toml"
    settings.write_text(settings.read_text("utf-8") + "[plugins.colors]\nenabled = false\n", "utf-8")
    assert labels_of(home, "red-circle.jpg") == before, "switching a plugin off loses nothing"
    told = [
        entry for entry in run("doctor", "--json").lines if "opsin plugins forget colors" in entry.get("remedy", "")
    ]
    assert len(told) == 1
    ran = run("plugins", "forget", "colors", "--json")
    assert ran.status == 0
    assert ran.lines == [{"categorizers": ["colors"], "reports": 6, "features": ["palette"], "contents": 6}]
    with opsin.open(home, readonly=True) as library:
        sources = {source for asset in library.list() for tag in asset.tags for source in tag.sources}
    assert "colors" not in sources
    assert labels_of(home, "red-circle.jpg")["cyan"] == "person"
    assert run("doctor").status == 0
    ran = run("plugins", "forget", "colors")
    assert ran.status == 2
    assert "there are no reports of 'colors'" in ran.err


def test_a_measured_speed_is_kept_and_shown(
    home: Path, run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSIN_CACHE", str(tmp_path / "cache"))
    assert run("encoders", "--json").lines[0].get("speed") is None
    ran = run("encoders", "measure", "fake", "--json")
    assert ran.status == 0
    assert ran.lines[0]["images_per_second"] > 0
    assert speeds()["fake"].images_per_second == ran.lines[0]["images_per_second"]
    card = next(entry for entry in run("encoders", "list", "--json").lines if entry["name"] == "fake")
    assert card["speed"] == ran.lines[0]["images_per_second"]
    assert run("encoders", "measure", "nothing").status == 2


def test_a_new_plugin_project_is_written_once(
    tmp_path: Path, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run("plugin", "new", "warm_light")
    assert ran.status == 0
    assert (tmp_path / "opsin-warm-light" / "pyproject.toml").exists()
    assert "pip install -e" in ran.out
    assert run("plugin", "new", "warm_light").status == 2
    assert run("plugin", "new", "Warm-Light").status == 2
    ran = run("plugin", "new", "cold_light", "--folder", tmp_path / "there", "--json")
    assert "pyproject.toml" in ran.lines[0]["files"]
