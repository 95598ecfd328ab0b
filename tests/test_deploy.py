"""What `deploy/` starts is what the command line understands, and what it copies is there."""

from __future__ import annotations

import configparser
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest

from opsin.cli.main import cli

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"


def understood(arguments: list[str]) -> dict[str, Any]:
    """Return what a command would be called with, by the parser itself; nothing runs."""
    name, *rest = arguments
    command = cli.get_command(click.Context(cli), name)
    assert command is not None, name
    return command.make_context(name, rest).params


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = lambda key: key  # type: ignore[assignment,method-assign]  # systemd's keys are no lower case
    parser.read_string((DEPLOY / "opsin.service").read_text("utf-8"))
    return parser


def test_the_unit_starts_a_service_that_makes_its_library() -> None:
    program, *arguments = shlex.split(unit()["Service"]["ExecStart"])
    assert program.endswith("/bin/opsin")
    asked = understood(arguments)
    assert asked["make"]
    assert asked["host"] == "127.0.0.1"


def test_the_unit_waits_longer_than_the_service_takes_to_stop() -> None:
    from opsin.web.server import _DRAIN

    assert int(unit()["Service"]["TimeoutStopSec"]) > _DRAIN


def test_the_unit_keeps_the_library_where_systemd_makes_its_folder() -> None:
    service = unit()["Service"]
    assert f"OPSIN_HOME=/var/lib/{service['StateDirectory']}/" in service["Environment"]
    assert f"OPSIN_CACHE=/var/cache/{service['CacheDirectory']}" in service["Environment"]


def test_the_container_starts_a_service_that_makes_its_library() -> None:
    text = (DEPLOY / "Containerfile").read_text("utf-8")
    command = re.search(r"^CMD (\[.*\])$", text, re.MULTILINE)
    assert command is not None
    asked = understood(re.findall(r'"([^"]*)"', command[1]))
    assert asked["make"]
    assert asked["host"] == "0.0.0.0"
    assert f"EXPOSE {asked['port']}" in text
    assert f"127.0.0.1:{asked['port']}/v1/health/ready" in text


def test_compose_waits_longer_than_the_service_takes_to_stop() -> None:
    from opsin.web.server import _DRAIN

    grace = re.search(r"stop_grace_period: (\d+)s", (DEPLOY / "compose.yaml").read_text("utf-8"))
    assert grace is not None
    assert int(grace[1]) > _DRAIN


@pytest.mark.parametrize(
    "block",
    re.findall(r"^(opsin .*|.*\bopsin keys .*)$", (ROOT / "docs" / "deploying.md").read_text("utf-8"), re.MULTILINE),
)
def test_commands_of_the_page_are_understood(block: str) -> None:
    understood(shlex.split(block.rsplit("opsin ", 1)[1], comments=True))
