"""What is wrong in opsin.toml about plugins: refused with file, line and key, or warned of where it only has no effect."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

NEEDY = """\
import msgspec
import opsin


class Config(msgspec.Struct, forbid_unknown_fields=True):
    size: int = 1


@opsin.hookimpl
def opsin_manifest():
    requires = (opsin.Requirement("no_such_module", "no-such-package"),)
    return opsin.Manifest(name="needy", summary="A test", config=Config, requires=requires)
"""


@pytest.fixture
def append(home: Path) -> Callable[[str], int]:
    """Return a function that adds lines to opsin.toml and returns the number of the last of them."""

    def append_(lines: str) -> int:
        settings = home / "opsin.toml"
        settings.write_text(settings.read_text("utf-8") + lines + "\n", "utf-8")
        return len(settings.read_text("utf-8").splitlines())

    return append_


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("[plugins.zero_shot]\ntreshold = 1.0", "plugins.zero_shot.treshold: there is no such key"),
        ("[plugins.quality]\nblurred = -1", "plugins.quality.blurred: "),
        ("[plugins.zero_shot]\ntemplates = ['a photo']", "plugins.zero_shot.templates: 'a photo' needs {} once"),
        ("[plugins.zero_shot]\ntemplates = ['{} {x}']", "plugins.zero_shot.templates: '{} {x}' needs {} once"),
        ("[plugins.colors]\nisolate = 'yes'", "[plugins.colors].isolate must be true or false"),
        (
            "[plugins.objects]\nthresholds = { unicorn = 0.5 }",
            "plugins.objects.thresholds: there is no label 'unicorn'",
        ),
    ],
)
def test_a_section_of_a_plugin_that_cannot_be_used_is_refused_before_anything_is_judged_without_it(
    home: Path, photos: Path, run: Run, append: Callable[[str], int], lines: str, reason: str
) -> None:
    line = append(lines)
    place = f"{home / 'opsin.toml'}, line {line}: {reason}"
    for command in (
        ["add", photos],
        ["tag", photos],
        ["watch", photos],
        ["reanalyse"],
    ):
        ran = run(*command)
        assert (ran.status, ran.out) == (2, ""), command
        assert f"Error: {place}" in ran.err
        assert ran.err.endswith("; mend it, or take the key out\n")
    ran = run("serve", home, "--port", "0")
    assert (ran.status, ran.out) == (2, "")
    assert place in ran.err
    assert run("plugins").status == run("backup", home.parent / "backup").status == 0
    assert run("plugins", "doctor").status == 1
    for options in ((), ("--quick",)):
        ran = run("doctor", "--json", *options)
        if "objects" not in lines or not options:  # its hook has to be asked for that
            assert ran.status == 1
            assert any(place in entry["message"] for entry in ran.lines if entry["state"] == "problem")


def test_a_vocabulary_is_not_changed_where_nothing_could_be_scored_by_it(
    home: Path, run: Run, append: Callable[[str], int]
) -> None:
    append("[plugins.zero_shot]\ntemplates = ['a photo']")
    before = (home / "vocabularies" / "everyday.toml").read_bytes()
    assert run("vocabulary", "edit", "everyday", "dog", "--synonym", "doggy").status == 2
    assert (home / "vocabularies" / "everyday.toml").read_bytes() == before


def test_what_has_no_effect_is_warned_of_wherever_pictures_are_judged_and_by_the_doctor(
    home: Path, photos: Path, run: Run, append: Callable[[str], int], caplog: pytest.LogCaptureFixture
) -> None:
    last = append(
        "[plugins.qualty]\nenabled = false\n[tags]\nlanguages = ['de', 'xx']\nlabels = { dog = 0.4, automobile = 0.3, dgo = 1 }"
    )
    said = [
        f"{home / 'opsin.toml'}, line {last - 4}: [plugins.qualty]: there is no plugin 'qualty'; did you mean [plugins.quality]?",
        f"{home / 'opsin.toml'}, line {last}: tags.labels.automobile: no vocabulary or categorizer in use knows this label; write car, which it means",
        f"{home / 'opsin.toml'}, line {last}: tags.labels.dgo: no vocabulary or categorizer in use knows this label; did you mean ",
        f"{home / 'opsin.toml'}, line {last - 1}: tags.languages: no label of this library has a name in 'xx'; there are names in de, es, fr",
    ]
    for command in (["add", photos], ["tag", photos], ["reanalyse", "--missing"]):
        caplog.clear()
        assert run(*command).status == 0
        assert all(line.startswith(begin) for line, begin in zip(caplog.messages, said, strict=True)), caplog.messages
    caplog.clear()
    assert (run("list").status, run("search", "red").status) == (0, 0)
    assert caplog.messages == []
    for options, count in (((), 4), (("--quick",), 1)):
        found = [entry for entry in run("doctor", "--json", *options).lines if entry["area"] == "settings"]
        assert [entry["state"] for entry in found] == ["ok", *["warning"] * count]


def test_a_plugin_that_lacks_a_module_is_no_error_and_one_that_cannot_be_imported_a_warning(
    with_plugin: Callable[..., Path],
    photos: Path,
    run: Run,
    append: Callable[[str], int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with_plugin("needy", NEEDY)
    append("[plugins.needy]\nsize = 'none of this is looked at'")
    assert (run("add", photos).status, caplog.messages) == (0, [])
    with_plugin("wreck", "raise RuntimeError('sunk')\n")
    assert run("add", photos).status == 0
    assert caplog.messages == ["the plugin 'wreck' is left out: RuntimeError: sunk"]
