"""Starting is light: `import opsin`, `opsin --help` and the modules of plugins load nothing heavy; help is there at once."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest

from opsin import cli
from opsin.cli.main import COMMANDS

HEAVY = {
    "torch",
    "faiss",
    "openvino",
    "sqlalchemy",
    "litestar",
    "numpy",
    "PIL",
    "rich",
    "opsin_index",
    "timm",
    "open_clip",
    "transformers",
    "tokenizers",
    "coloraide",
}
HELP = "import sys; sys.argv = ['opsin', *{arguments!r}]; from opsin.cli import main; main()"
LOADED = "import atexit, sys; atexit.register(lambda: print(*{{n.split('.')[0] for n in sys.modules}}, file=sys.stderr)); {code}"
PLUGINS = """
from importlib.metadata import distribution
for each in distribution("opsin").entry_points.select(group="opsin"):
    each.load()
"""
LEAST_OF = 5
INTERRUPTED = """
import sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupting())
sys.argv = ["opsin", "list"]
from opsin.cli import main
main()
"""


def loaded_by(code: str) -> set[str]:
    ran = subprocess.run([sys.executable, "-c", LOADED.format(code=code)], capture_output=True, text=True, check=True)
    return set(ran.stderr.split())


def cpu_seconds(code: str) -> float:
    """Return the least CPU time (user and system) of several runs: other load only ever adds to it."""
    used = []
    for _ in range(LEAST_OF):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(used)


def test_importing_opsin_loads_nothing_heavy() -> None:
    assert not loaded_by("import opsin") & HEAVY


def test_importing_the_modules_of_opsins_own_plugins_loads_nothing_heavy() -> None:
    loaded = loaded_by(PLUGINS)
    assert {"opsin_starter", "opsin_clip", "opsin_colors"} <= loaded
    assert not loaded & HEAVY


def test_nothing_is_loaded_before_ctrl_c_is_caught() -> None:
    assert not loaded_by("import opsin.cli") & {"click", "msgspec", "pluggy"}


@pytest.mark.parametrize("module", ["click", "msgspec", "opsin.cli.catalogue", "opsin.library", "sqlalchemy"])
def test_ctrl_c_while_a_command_is_being_loaded_is_one_line_and_130(module: str) -> None:
    code = INTERRUPTED.format(module=module)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 130
    assert ran.stderr.strip() == "Interrupted; what was done before is kept."


@pytest.mark.parametrize("module", ["click", "opsin.library", "sqlalchemy"])
def test_process_1_of_a_container_is_ended_by_sigterm_while_a_command_is_being_loaded(module: str) -> None:
    told = INTERRUPTED.format(module=module).replace("raise KeyboardInterrupt", "signal.raise_signal(signal.SIGTERM)")
    code = f"import os, signal; os.getpid = lambda: 1\n{told}"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 130
    assert ran.stderr.strip() == "Interrupted; what was done before is kept."


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["search", "--help"], ["vocabulary", "edit", "--help"]]
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    assert not loaded_by(HELP.format(arguments=arguments)) & HEAVY


def test_help_takes_less_than_a_fifth_of_a_second_of_cpu() -> None:
    assert cpu_seconds(HELP.format(arguments=["--help"])) < 0.2


def test_help_lists_every_command_that_the_modules_have() -> None:
    found = {command.name for path in Path(cli.__file__).parent.glob("*.py") for command in commands_of(path.stem)}
    assert found == set(COMMANDS)


def commands_of(module: str) -> tuple[click.Command, ...]:
    if module in {"main", "__init__"}:
        return ()
    commands: tuple[click.Command, ...] = getattr(import_module(f"opsin.cli.{module}"), "COMMANDS", ())
    return commands


def test_an_unknown_command_is_answered_with_what_is_near(run: Callable[..., Any]) -> None:
    ran = run("serch")
    assert ran.status == 2
    assert "Did you mean 'search'?" in ran.err


ENDLESS = """
import importlib, time
from opsin.cli import main
def run():
    try:
        print("works", flush=True)
        time.sleep(60)
    finally:
        print("closes", flush=True)
        time.sleep(60)
importlib.import_module("opsin.cli.main").run = run
main()
"""


def test_ctrl_c_ends_a_command_in_good_order_and_ctrl_c_once_more_at_once() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "works\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "closes\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == "Interrupted again, and ended at once; what was done before is kept.\n"
