"""What the plugin pages show works, and they leave out no hook, setting or state."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from opsin.host import Host
from opsin.host.values import ObjectState, PluginState
from opsin.plugin import hookspecs
from opsin.settings import HostSettings, load_settings
from opsin.testing import make_frame

DOCS = Path(__file__).parents[2] / "docs"
PLUGINS = (DOCS / "plugins.md").read_text("utf-8")
HOST = (DOCS / "plugin-host.md").read_text("utf-8")
BLOCK = re.compile(r"^```\w+\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the files that plugins.md shows."""
    blocks = BLOCK.findall(PLUGINS)
    assert [name for name, _ in blocks] == ["warm_light.py", "test_warm_light.py", "opsin-library/opsin.toml"]
    (tmp_path / "opsin-library").mkdir()
    for name, text in blocks:
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


def test_the_first_categorizer_has_at_most_thirty_lines_of_code(folder: Path) -> None:
    lines = [line for line in (folder / "warm_light.py").read_text("utf-8").splitlines() if line.strip()]
    assert len(lines) <= 30


def test_the_first_categorizers_test_passes(folder: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_warm_light.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\d+ passed", done.stdout, re.MULTILINE)


def test_the_first_categorizer_runs_with_the_settings_shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(folder))
    settings = load_settings(folder / "opsin-library" / "opsin.toml")
    with Host(settings, cache=folder / "cache", encoder="fake", plugins=[("fake", "opsin.testing.plugin")]) as host:
        scores = {}
        for colour in ("red", "blue"):
            analysis = host.submit([make_frame(colour)], ["warm_light"]).result(60)
            scores[colour] = analysis.reports[0].matches[0].score
    assert scores["red"] > 0.5 > scores["blue"]
    for module in [name for name in sys.modules if name == "warm_light"]:
        del sys.modules[module]


def test_every_hook_is_in_the_plugin_page() -> None:
    hooks = [name for name in vars(hookspecs) if name.startswith("opsin_")]
    assert hooks
    assert not [hook for hook in hooks if f"| `{hook}(" not in PLUGINS]


def test_every_setting_and_state_is_in_the_host_page() -> None:
    names = [*HostSettings.__struct_fields__, *get_args(PluginState), *get_args(ObjectState), "enabled", "isolate"]
    assert not [name for name in names if f"`{name}`" not in HOST]


def test_the_defaults_in_the_host_page_are_the_real_ones() -> None:
    for name, default in zip(HostSettings.__struct_fields__, HostSettings.__struct_defaults__, strict=True):
        shown = f'"{default}"' if isinstance(default, str) else "[]" if default == () else str(default)
        assert f"| `{name}` | {shown} |" in HOST
