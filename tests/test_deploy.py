"""What `deploy/` starts is what the command line understands, and what it copies is there."""

from __future__ import annotations

import configparser
import functools
import json
import re
import runpy
import shlex
import threading
import tomllib
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import click
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from opsin.cli.main import COMMANDS, cli
from opsin.settings import HostSettings

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


def test_the_unit_runs_as_the_user_whom_the_page_makes_and_as_whom_its_commands_are_run() -> None:
    page = (ROOT / "docs" / "deploying.md").read_text("utf-8")
    service = unit()["Service"]
    assert re.search(rf"^sudo useradd --system .* {service['User']}$", page, re.MULTILINE)
    for place in service["Environment"].split():
        assert f"sudo -u {service['User']}" in said(rf"^(.*{place}.*)$", page)


def test_the_unit_keeps_the_library_where_systemd_makes_its_folder() -> None:
    service = unit()["Service"]
    assert f"OPSIN_HOME=/var/lib/{service['StateDirectory']}/" in service["Environment"]
    assert f"OPSIN_CACHE=/var/cache/{service['CacheDirectory']}" in service["Environment"]


def containerfile() -> str:
    return (DEPLOY / "Containerfile").read_text("utf-8")


def compose() -> str:
    return (DEPLOY / "compose.yaml").read_text("utf-8")


def said(pattern: str, text: str) -> str:
    """Return what the only line of a text says that is as wanted."""
    found: list[str] = re.findall(pattern, text, re.MULTILINE)
    assert len(found) == 1, pattern
    return found[0]


def test_the_container_starts_a_service_that_makes_its_library() -> None:
    asked = understood(json.loads(said(r"^CMD (\[.*\])$", containerfile())))
    assert asked["make"]
    assert asked["host"] == "0.0.0.0"
    assert f"EXPOSE {asked['port']}" in containerfile()
    assert f'HTTPConnection("127.0.0.1", {asked["port"]},' in (DEPLOY / "healthy.py").read_text("utf-8")
    assert said(r'- "127.0.0.1:(\S+)"', compose()) == f"{asked['port']}:{asked['port']}"


def test_compose_asks_for_health_as_the_image_does_which_has_no_such_line_in_each_format() -> None:
    command = json.loads(said(r"^HEALTHCHECK .*CMD (\[.*\])$", containerfile()))
    assert json.loads(said(r"^ +test: (\[.*\])$", compose())) == ["CMD", *command]
    start = said(r"^HEALTHCHECK --start-period=(\d+)s", containerfile())
    assert said(r"^ +start_period: (\d+)s$", compose()) == start
    assert int(start) >= HostSettings().load_deadline
    assert f"COPY deploy/{Path(command[-1]).name} {Path(command[-1]).parent}/" in containerfile()


@pytest.mark.parametrize("status", [200, 503])
def test_the_container_is_healthy_while_it_is_ready_whatever_proxy_the_machine_has(
    monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    asked = []

    class Service(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"no encoder")

        def log_message(self, *_arguments: object) -> None:
            pass

    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with HTTPServer(("127.0.0.1", 0), Service) as server:
        to = functools.partial(HTTPConnection, "127.0.0.1", server.server_port)
        monkeypatch.setattr("http.client.HTTPConnection", lambda _host, _port, timeout: to(timeout=timeout))
        answering = threading.Thread(target=server.handle_request)
        answering.start()
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(DEPLOY / "healthy.py"))
        answering.join()
    assert asked == ["/v1/health/ready"]
    assert ended.value.code == (None if status == 200 else "no encoder")


def test_the_image_names_its_user_by_number_so_that_who_forbids_root_can_check_it() -> None:
    user = said(r"^USER (\d+)$", containerfile())
    assert f"groupadd --gid {user} opsin && useradd --uid {user} --gid opsin" in containerfile()
    assert f"It runs as user {user}" in (ROOT / "docs" / "deploying.md").read_text("utf-8")


def test_what_the_image_is_built_from_is_let_through_and_nothing_else() -> None:
    everything, *let = [
        line
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if not line.startswith(("#", "**/__pycache__"))
    ]
    assert everything == "*"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    needed = {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]}
    needed |= {each.split("/")[0] for each in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]}
    needed |= set(re.findall(r"^COPY ([^-. ]\S+)", containerfile(), re.MULTILINE))
    assert {f"!{each}" for each in needed} == set(let)
    assert all((ROOT / each).exists() for each in needed)


def test_the_image_takes_torch_from_the_index_that_the_pages_name_and_every_version_from_the_constraints() -> None:
    index = said(r"^ARG TORCH_INDEX=(\S+)$", containerfile())
    assert f"--index-url {index} torch torchvision" in (ROOT / "docs" / "deploying.md").read_text("utf-8")
    installs = re.findall(r"pip install (.*)", containerfile())
    assert len(installs) == 2
    assert all("-c constraints.txt" in each for each in installs)


def test_everything_that_is_installed_with_opsin_is_pinned() -> None:
    pinned = {
        canonicalize_name(Requirement(line).name)
        for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
        if not line.startswith("#")
    }
    ahead = [("opsin", extra) for extra in ("", "demo", "dev", "parquet")]
    needed = set(ahead)
    while ahead:
        name, extra = ahead.pop()
        for each in map(Requirement, distribution(name).requires or ()):
            found = canonicalize_name(each.name)
            # What only torch's builds for graphics cards need is pinned by torch itself.
            if found.startswith(("nvidia-", "cuda-", "triton")):
                continue
            if each.marker is None or each.marker.evaluate({"extra": extra}):
                new = {(found, wanted) for wanted in ("", *each.extras)} - needed
                needed |= new
                ahead += new
    assert {name for name, _ in needed} - pinned == {"opsin"}


def test_compose_waits_longer_than_the_service_takes_to_stop() -> None:
    from opsin.web.server import _DRAIN

    assert int(said(r"stop_grace_period: (\d+)s", compose())) > _DRAIN


@pytest.mark.parametrize(
    "line",
    re.findall(
        rf"^(?!alias).*\bopsin ((?:{'|'.join(COMMANDS)})\b.*)$",
        "".join(
            re.findall(
                r"^```sh\n(.*?)^```$", (ROOT / "docs" / "deploying.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
            )
        ),
        re.MULTILINE,
    ),
)
def test_commands_of_the_page_are_understood(line: str) -> None:
    understood(shlex.split(line.replace("/safe/photos.tar", str(ROOT / "README.md")), comments=True))
