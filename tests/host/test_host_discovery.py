"""Plugins are found by their entry points; what is wrong with one is said, and costs nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import msgspec
import pytest

from opsin.errors import PluginError, UnknownName
from opsin.host import Host, Plugin, discover, encoder_cards, shipped_vocabularies
from opsin.plugin import EncoderCard
from opsin.settings import HostSettings, Settings

MakeHost = Callable[..., Host]
Install = Callable[..., str]

MANIFEST = """
import msgspec
from opsin import Manifest, Requirement, hookimpl

class Config(msgspec.Struct, forbid_unknown_fields=True):
    languages: list[str] = []
    size: int = 3

@hookimpl
def opsin_manifest():
    return Manifest(name={name!r}, summary="made by a test", config=Config{more})
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Return a function that installs a plugin as pip would: a module, and metadata with the entry point."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def put(name: str, code: str = "", *, more: str = "", manifest: bool = True, manifest_name: str = "") -> str:
        head = MANIFEST.format(name=manifest_name or name, more=more) if manifest else ""
        module = f"opsin_test_{name}"
        (site / f"{module}.py").write_text(head + dedent(code))
        info = site / f"{module}-2.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: opsin-test-{name}\nVersion: 2.5\n")
        (info / "entry_points.txt").write_text(f"[opsin]\n{name} = {module}\n")
        return module

    yield put
    for module in [name for name in sys.modules if name.startswith("opsin_test_")]:
        del sys.modules[module]


def find(name: str, settings: Settings | None = None) -> Plugin:
    return next(each for each in discover(settings) if each.name == name)


def configured(name: str, **values: object) -> Settings:
    return Settings(plugins={name: values})


def test_an_installed_plugin_is_found_by_its_entry_point(install: Install) -> None:
    module = install("good")
    status = find("good").status()
    assert (status.state, status.reason) == ("ready", "")
    assert (status.distribution, status.version, status.module) == ("opsin-test-good", "2.5", module)
    assert status.summary == "made by a test"


def test_opsins_own_plugins_are_found_the_same_way() -> None:
    found = {each.name: each for each in discover()}
    assert {"starter", "open_clip", "zero_shot", "objects", "colors", "quality"} <= set(found)
    assert not any(found[name].isolated for name in ("starter", "quality"))


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import module_that_is_nowhere", "ModuleNotFoundError: No module named 'module_that_is_nowhere'"),
        ("raise RuntimeError('not today')", "RuntimeError: not today"),
        ("import sys; sys.exit(1)", "SystemExit: 1"),
        ("def broken(:", "SyntaxError"),
        ("@hookimpl\ndef opsin_extractors(configuration): return []", "configuration"),
        ("@hookimpl\ndef opsin_categorisers(config): return []", "opsin_categorisers"),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_broken_with_the_reason(install: Install, code: str, reason: str) -> None:
    install("bad", code)
    install("good")
    assert find("bad").state == "broken"
    assert reason in find("bad").reason
    assert find("good").usable


def test_a_plugin_without_a_manifest_is_broken(install: Install) -> None:
    install("bare", manifest=False)
    assert "opsin_manifest() must return an opsin.Manifest" in find("bare").reason


def test_a_manifest_for_another_interface_is_refused(install: Install) -> None:
    install("future", more=", api=99")
    assert find("future").state == "broken"
    assert "version 99 of the plugin interface and this Opsin has 1" in find("future").reason


def test_entry_point_and_manifest_must_agree_on_the_name(install: Install) -> None:
    install("here", manifest_name="there")
    assert "'here'" in find("here").reason
    assert "'there'" in find("here").reason


def test_the_second_plugin_of_a_name_is_broken_and_the_first_stays() -> None:
    found = {each.name: each for each in discover(Settings(), [("quality", "opsin.testing.plugin")])}
    assert found["quality"].source == "opsin_quality"
    assert "is taken by opsin_quality" in found["quality (opsin.testing.plugin)"].reason


def test_what_is_missing_is_said_with_the_command_that_installs_it(install: Install) -> None:
    install("needy", more=", requires=(Requirement('module_that_is_nowhere.sub', 'opsin[ocr]'),)")
    status = find("needy").status()
    assert (status.state, status.reason) == ("unavailable", "unavailable: pip install 'opsin[ocr]'")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"size": "big"}, "opsin.toml: plugins.good.size: has to be a whole number, not a text"),
        ({"languages": ["en", 3]}, "opsin.toml: plugins.good.languages[1]: has to be a text, not a whole number"),
        ({"sise": 1}, "opsin.toml: plugins.good.sise: there is no such key"),
        ({"isolate": "yes"}, "opsin.toml: [plugins.good].isolate must be true or false, not 'yes'"),
        ({"enabled": 0}, "opsin.toml: [plugins.good].enabled must be true or false, not 0"),
    ],
)
def test_a_wrong_setting_is_named_by_its_place_in_the_file(
    install: Install, values: dict[str, object], reason: str
) -> None:
    install("good")
    found = find("good", configured("good", **values))
    assert (found.state, found.reason) == ("broken", reason)


def test_a_wrong_setting_is_named_with_its_line_where_the_file_is_known(install: Install) -> None:
    install("good")
    text = "[plugins.other]\nsize = 1\n[plugins.good]\nenabled = true\nsize = 'big'\n"
    wrong = msgspec.structs.replace(configured("good", size="big"), source=text)
    assert find("good", wrong).reason == "opsin.toml, line 5: plugins.good.size: has to be a whole number, not a text"


def test_settings_are_filled_and_the_hosts_own_keys_kept_from_the_plugin(install: Install) -> None:
    install("good")
    found = find("good", configured("good", size=7, isolate=False, enabled=True))
    assert getattr(found.config, "size", None) == 7
    assert not found.isolated


@pytest.mark.parametrize(
    ("more", "values", "isolated"),
    [
        ("", {}, True),
        (", isolate=False", {}, False),
        (", isolate=False", {"isolate": True}, True),
        (", isolate=True", {"isolate": False}, False),
    ],
)
def test_a_strangers_plugin_is_isolated_unless_somebody_says_otherwise(
    install: Install, more: str, values: dict[str, object], isolated: bool
) -> None:
    install("good", more=more)
    assert find("good", configured("good", **values)).isolated is isolated


def test_opsins_own_plugins_run_in_its_process_and_modules_that_are_named_run_isolated(install: Install) -> None:
    install("good")
    found = {plugin.name: plugin for plugin in discover(configured("good"))}
    own = [plugin for plugin in found.values() if plugin.distribution == "opsin"]
    assert {"zero_shot", "starter", "quality"} <= {plugin.name for plugin in own}
    assert not any(plugin.isolated for plugin in own)
    named = Settings(host=HostSettings(extra_plugins=("misbehaving_plugin", "opsin.testing.plugin")))
    found = {plugin.name: plugin for plugin in discover(named)}
    assert (found["misbehaving"].isolated, found["fake"].isolated) == (True, False)


def test_what_opsins_own_plugins_need_is_named_as_pip_takes_it() -> None:
    own = [plugin.manifest for plugin in discover() if plugin.distribution == "opsin" and plugin.manifest]
    needs = [need for manifest in own for need in manifest.requires]
    assert {"coloraide", "timm", "open_clip"} <= {need.module for need in needs}
    assert [need.install for need in needs if " " in need.install] == []


def test_a_plugin_that_is_switched_off_is_not_even_imported(install: Install) -> None:
    install("bad", "raise RuntimeError('imported')")
    found = find("bad", configured("bad", enabled=False))
    assert (found.state, found.usable) == ("off", False)
    assert "enabled = false" in found.reason


def test_one_plugins_hook_that_raises_does_not_end_the_chain(install: Install) -> None:
    install("aaa", "@hookimpl\ndef opsin_encoders(config): raise ValueError('no cards')")
    settings = Settings(host=HostSettings(extra_plugins=("opsin.testing.plugin",)))
    cards = {card.name: card for card in encoder_cards(settings)}
    assert isinstance(cards["fake"], EncoderCard)


def test_a_plugin_that_cannot_list_its_vocabularies_does_not_hide_the_others(install: Install) -> None:
    install("aaa", "@hookimpl\ndef opsin_vocabularies(config): raise ValueError('no words')")
    install("bbb", "@hookimpl\ndef opsin_vocabularies(config): return ['everyday']")
    install(
        "ccc", "from opsin import Vocabulary\n@hookimpl\ndef opsin_vocabularies(config): return [Vocabulary(name='c')]"
    )
    assert "c" in {vocabulary.name for vocabulary in shipped_vocabularies(Settings())}


def test_a_plugin_can_be_named_in_the_settings_without_being_installed() -> None:
    settings = Settings(host=HostSettings(extra_plugins=("opsin.testing.plugin", "module_that_is_nowhere")))
    found = {each.name: each for each in discover(settings)}
    assert found["fake"].usable
    assert not found["fake"].isolated
    assert found["module_that_is_nowhere"].state == "broken"


def test_an_unknown_encoder_is_an_error_that_names_those_that_there_are(make_host: MakeHost) -> None:
    with pytest.raises(UnknownName, match=r"no encoder 'nope'; there are: .*fake"):
        make_host(encoder="nope")


def test_an_object_that_breaks_the_contract_is_refused_by_its_attribute(make_host: MakeHost, install: Install) -> None:
    install(
        "loose",
        """
        from opsin import Categorizer
        class Loose(Categorizer):
            id = "loose"
            revision = 7
            vocabulary = "any"
            needs = frozenset({"embedding"})
            def categorize(self, batch): return []
        @hookimpl
        def opsin_categorizers(config): return [Loose()]
        """,
    )
    host = make_host()
    status = next(each for each in host.statuses() if each.name == "loose")
    assert status.state == "broken"
    assert "Loose.revision must be a non-empty str, not 7" in status.reason
    assert "loose" not in host.categorizers


def test_a_hook_that_returns_no_sequence_is_broken(make_host: MakeHost, install: Install) -> None:
    install("odd", "@hookimpl\ndef opsin_categorizers(config): return 5")
    status = next(each for each in make_host().statuses() if each.name == "odd")
    assert "opsin_categorizers must return a sequence, not int" in status.reason


def test_a_second_categorizer_of_the_same_id_is_refused(make_host: MakeHost, install: Install) -> None:
    install(
        "thief",
        """
        from opsin.testing import FakeCategorizer
        @hookimpl
        def opsin_categorizers(config): return [FakeCategorizer()]
        """,
    )
    status = next(each for each in make_host().statuses() if each.name == "thief")
    assert "there is a categorizer 'fake' already" in status.reason


def test_an_encoder_whose_building_raises_is_that_plugins_failure(make_host: MakeHost, install: Install) -> None:
    install(
        "weak", "@hookimpl\ndef opsin_encoder(name, config):\n    if name == 'weak': raise ValueError('no weights')"
    )
    with pytest.raises(PluginError, match="no weights"):
        make_host(encoder="weak")
