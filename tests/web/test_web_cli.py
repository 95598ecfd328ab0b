"""The command line asks a service as it asks a library: the same output, the same errors, the same exit statuses."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

import opsin
from opsin.cli.main import run as run_command
from opsin.library import Job
from opsin.testing import jpeg_bytes, make_picture

if TYPE_CHECKING:
    from tests.web.conftest import Serve, Served


SETTINGS = """\
[host]
extra_plugins = ["opsin.testing.plugin"]

[plugins.starter]
enabled = false

[plugins.open_clip]
enabled = false
"""


NOBODY = "019a20a7-8d66-7ae0-a15c-eb1c889c71b3"


class Ran(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Ran]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    def run_(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["opsin", *map(str, arguments)])
        capsys.readouterr()
        status = run_command()
        return Ran(status, *capsys.readouterr())

    return run_


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for colour in ("red", "green", "blue"):
        for shape in ("square", "circle"):
            (folder / f"{colour}-{shape}.jpg").write_bytes(jpeg_bytes(make_picture(colour, shape, 96)))
    return folder


@pytest.fixture(scope="module")
def filled(serve: Serve, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Served:
    """Return a service whose library refers to the photos."""
    home = tmp_path_factory.mktemp("library")
    (home / "opsin.toml").write_text(SETTINGS, "utf-8")
    with opsin.init(home, encoder="fake") as library:
        library.add(photos, owner="ann")
    made = serve(home)
    made.wait_until_ready()
    return made


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return round(value, 4) if isinstance(value, float) else value


@pytest.fixture
def at(filled: Served) -> tuple[str, ...]:
    return ("--server", filled.url, "--key", filled.key)


@pytest.mark.parametrize("as_json", [(), ("--json",)])
@pytest.mark.parametrize(
    "command",
    [
        ("list",),
        ("list", "-w", "tag=red", "-n", "1"),
        ("list", "-w", "owner=nobody"),
        ("list", "-w", "no condition"),
        ("show", "red-square.jpg"),
        ("show", "red-square.jpg", "--similar", "0"),
        ("show", "nothing.jpg"),
        ("tags", "-n", "2"),
        ("explain", "red-square.jpg", "red"),
        ("explain", "red-square.jpg", "nosuch"),
        ("search", "green", "-n", "2", "--all"),
        ("search", "  "),
        ("search", "red", "--cursor", "wrong"),
        ("search", "--like", "blue-circle.jpg", "--not", "red"),
        ("duplicates", "--threshold", "0.5"),
        ("duplicates", "--threshold", "1"),
    ],
    ids=" ".join,
)
def test_a_command_says_the_same_of_a_service_as_of_its_library(
    command: tuple[str, ...], as_json: tuple[str, ...], at: tuple[str, ...], filled: Served, run: Run
) -> None:
    here = run(*command, *as_json, "--library", filled.home)
    there = run(*command, *as_json, *at)
    assert there == here


@pytest.mark.parametrize(
    "command",
    [
        ("vocabulary", "list", "--shipped"),
        ("vocabulary", "list", "--json"),
        ("vocabulary", "show", "everyday", "--json"),
        ("vocabulary", "show", "everyday", "dog"),
        ("vocabulary", "show", "everyday", "nosuch"),
        ("vocabulary", "show", "nosuch", "--json"),
        ("vocabulary", "edit", "everyday", "dog"),
        ("searches", "run", NOBODY),
        ("webhooks", "deliveries", NOBODY, "--json"),
        ("keys", "revoke", "00000000"),
        ("encoders",),
        ("encoders", "list", "--json"),
        ("plugins", "show", "nosuch"),
    ],
    ids=" ".join,
)
def test_a_command_about_what_belongs_to_a_library_says_the_same_of_a_service(
    command: tuple[str, ...], at: tuple[str, ...], filled: Served, run: Run
) -> None:
    assert run(*command, *at) == run(*command, "--library", filled.home)


def test_searches_webhooks_and_keys_are_kept_by_a_service(at: tuple[str, ...], filled: Served, run: Run) -> None:
    search = run("searches", "create", "red", "--name", "reds", "--json", *at).lines[0]
    assert search in run("searches", "list", "--json", *at).lines
    assert "red-square.jpg" in run("searches", "run", search["id"], "--library", filled.home).out
    assert run("searches", "run", search["id"], *at) == run("searches", "run", search["id"], "--library", filled.home)
    assert "reds" in run("searches", "delete", search["id"], *at).out
    assert run("searches", "list", "--json", *at).lines == []
    hook = run("webhooks", "create", "https://shop.example/hook", "--json", *at).lines[0]["id"]
    assert run("webhooks", "set", hook, "--switch", "off", *at).out.endswith("is off.\n")
    assert run("webhooks", "list", *at) == run("webhooks", "list", "--library", filled.home)
    assert run("webhooks", "redeliver", hook, "--json", *at).lines == [{"count": 0}]
    assert "shop.example" in run("webhooks", "delete", hook, "--library", filled.home).out  # sent to the service
    made = run("keys", "create", "shop", "--scope", "write", "--json", *at).lines[0]
    assert run("list", "--server", filled.url, "--key", made["key"]).status == 0
    assert run("keys", "list", *at) == run("keys", "list", "--library", filled.home)
    assert run("keys", "revoke", made["id"], *at).status == 0
    assert run("list", "--server", filled.url, "--key", made["key"]).status == 4


def test_the_plugins_of_a_service_are_shown_as_they_are_there(at: tuple[str, ...], filled: Served, run: Run) -> None:
    assert run("plugins", *at) == run("plugins", "--library", filled.home)
    assert run("plugins", "show", "colors", *at) == run("plugins", "show", "colors", "--library", filled.home)
    (shown,) = run("plugins", "show", "colors", "--json", "--library", filled.home).lines
    assert [item["kind"] for item in shown["objects"]] == ["extractor", "categorizer"]
    assert {item["state"] for item in shown["objects"]} == {"ready"}, "as they are in the process that has it open"
    assert shown in run("plugins", "list", "--json", *at).lines


def test_plugins_of_a_library_whose_service_gives_no_answer_are_shown_as_they_are_declared(
    filled: Served, run: Run, tmp_path: Path, photos: Path
) -> None:
    home = tmp_path / "copy"
    shutil.copytree(filled.home, home)  # with the mark of its owner, who does not know this copy's key
    (home / "admin.key").write_text("opsin_wrong")
    ran = run("plugins", "--library", home)
    assert ran.status == 0
    assert f"The service at {filled.url} does not say how they are at work there" in ran.err
    (home / "owner").write_text("1\nhttp://127.0.0.1:9")
    assert run("plugins", "--library", home) == ran._replace(err="")


def test_vocabularies_are_changed_by_a_service_as_by_oneself(
    at: tuple[str, ...], photos: Path, tmp_path: Path, run: Run
) -> None:
    home = tmp_path / "here"
    home.mkdir()
    (home / "opsin.toml").write_text(SETTINGS, "utf-8")
    with opsin.init(home, encoder="fake") as library:
        library.add(photos, owner="ann")
    file = tmp_path / "mine.toml"
    file.write_text('name = "mine"\nsummary = "Of mine."\n[labels]\nshape = { prompts = ["circle"] }\n', "utf-8")
    for *command, as_json in (
        ("add", file, ()),
        ("edit", "mine", "shape", "--threshold", "-5", ("--json",)),
        ("edit", "mine", "other", "--synonym", "another", "--no-rescore", ()),
        ("remove", "mine", "other", ("--json",)),
        ("remove", "mine", "nosuch", ()),
        ("remove", "mine", ()),
        ("add", "fresh", "--empty", ("--json",)),
        ("remove", "fresh", ("--json",)),
        ("remove", "fresh", ()),
        ("add", tmp_path / "nosuch.toml", ()),
    ):
        here = run("vocabulary", *command, *as_json, "--library", home)
        there = run("vocabulary", *command, *as_json, *at)
        assert there == here, command


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_pictures_are_looked_at_there_as_here(
    as_json: tuple[str, ...], at: tuple[str, ...], photos: Path, filled: Served, run: Run
) -> None:
    here = run("tag", photos, *as_json, "--library", filled.home)
    there = run("tag", photos, *as_json, *at)
    assert (there.status, there.err) == (here.status, here.err) == (0, "")
    if as_json:
        # In other batches the last digits of a score may be others.
        assert rounded(there.lines) == rounded(here.lines)
    else:
        assert there.out == here.out
    assert "leave out --encoder" in run("tag", photos, "--encoder", "fake", *at).err


def test_pictures_are_sent_labelled_deleted_and_brought_back(at: tuple[str, ...], tmp_path: Path, run: Run) -> None:
    (tmp_path / "new.jpg").write_bytes(jpeg_bytes(make_picture("yellow", "square", 80)))
    added = run("add", tmp_path, "--tag", "sent", "--json", *at)
    assert [entry["status"] for entry in added.lines] == ["added"]
    assert "1 unchanged" in run("add", tmp_path, "--tag", "sent", *at).out
    asset = added.lines[0]["asset"]
    assert asset["copied"]
    assert "sent" in [tag["label"] for tag in asset["tags"]]
    assert "mine" in run("label", asset["id"][:18], "--add", "mine", *at).out
    assert run("delete", "new.jpg", *at).status == 0
    assert run("show", asset["id"], *at).status == 2
    assert run("undelete", asset["id"], "--json", *at).lines[0]["id"] == asset["id"]
    assert run("delete", "new.jpg", "--now", *at).status == 0
    assert run("add", tmp_path, "--mark-vanished", *at).status == 2
    (tmp_path / "new.jpg").write_bytes(b"no picture")
    assert run("add", tmp_path, *at).status == 3


def test_what_would_be_written_to_a_served_library_is_sent_to_its_service(
    filled: Served, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSIN_HOME", str(filled.home))
    assert run("label", "red-circle.jpg", "--add", "round").out.startswith("red-circle.jpg: round")
    assert run("label", "red-circle.jpg", "--remove", "round").status == 0
    (tmp_path / "other.jpg").write_bytes(jpeg_bytes(make_picture("cyan", "square", 80)))
    refused = run("add", tmp_path)
    assert (refused.status, refused.out) == (4, "")
    assert f"served at {filled.url}" in refused.err
    assert "--copy" in refused.err
    assert run("add", tmp_path, "--copy").status == 0
    assert run("delete", "other.jpg", "--now").status == 0
    assert (
        run("reanalyse", "--missing").out
        == "No picture asked about again (none opened): no tag came or went, no problem.\n"
    )
    assert f"serves it at {filled.url}" in run("doctor", "--quick").out


def test_the_environment_names_the_service_and_a_library_of_ones_own_its_key(
    filled: Served, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPSIN_HOME", str(tmp_path))
    monkeypatch.setenv("OPSIN_SERVER", filled.url)
    assert run("tags").status == 4
    monkeypatch.setenv("OPSIN_KEY", "wrong")
    assert run("tags").status == 4
    monkeypatch.setenv("OPSIN_KEY", filled.key)
    assert run("tags").status == 0
    monkeypatch.delenv("OPSIN_KEY")
    monkeypatch.setenv("OPSIN_HOME", str(filled.home))
    assert run("tags").status == 0


def test_a_service_asks_its_categorizers_again_and_the_command_ends_as_it_does_here(
    at: tuple[str, ...], photos: Path, run: Run
) -> None:
    ran = run("reanalyse", "--categorizer", "quality", "-w", "tag=red", *at)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == "2 pictures asked about again (2 opened): no tag came or went, no problem.\n"
    photo = photos / "red-square.jpg"
    photo.rename(photos / "away")
    ran = run("reanalyse", "--categorizer", "quality", "--json", *at)
    (photos / "away").rename(photo)
    (job,) = ran.lines
    assert (ran.status, job["kind"], job["state"], job["result"]["problems"]) == (3, "reanalyse", "done", 1)
    assert run("reanalyse", "--categorizer", "nosuch", *at).status == 2


def test_reports_that_failed_at_a_service_are_told_and_are_the_exit_status(
    at: tuple[str, ...], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"contents": 3, "problems": 2, "failed": 1, "failed_reports": {"quality": 1}}
    over = Job(id=NOBODY, kind="reanalyse", state="done", created_at="", finished_at="", result=told)
    monkeypatch.setattr("opsin.cli.awaiting.followed", lambda *_, **__: over)
    ran = run("reanalyse", "--missing", *at)
    assert (ran.status, "3 pictures asked about again (none opened)" in ran.out) == (5, True)
    assert ran.err.startswith("quality failed on 1 picture, which lack its report; `opsin plugins` says how it is")


def test_whoever_interrupts_a_job_of_a_service_is_told_that_it_goes_on(
    at: tuple[str, ...], run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("opsin.cli.awaiting.followed", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run("reanalyse", *at)
    told = capsys.readouterr().err
    number = told.split("`opsin jobs wait ")[1].split("`")[0]
    assert f"`opsin jobs cancel {number}`" in told
    assert run("jobs", "wait", number, *at).status == 0


def test_what_no_service_can_be_asked_says_where_to_run_it(
    at: tuple[str, ...], filled: Served, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for command in (
        ("index", "status"),
        ("doctor",),
        ("backup", tmp_path / "b"),
        ("plugins", "doctor"),
    ):
        ran = run(*at, *command)
        assert (ran.status, ran.out) == (2, "")
        assert "run it where the library is" in ran.err
        assert run(*command, "--server", filled.url).status == 2
    assert run("list", "--library", filled.home, *at).status == 2
    monkeypatch.setenv("OPSIN_SERVER", filled.url)
    assert run("index", "status").status == 2
    assert run("index", "status", "--library", filled.home).status == 0
    assert run("list", "--library", filled.home).status == 0


def test_an_export_is_fetched_from_a_service_and_leaves_nothing_there(filled: Served, tmp_path: Path, run: Run) -> None:
    asked = ("--server", filled.url, "--key", filled.key)
    out = tmp_path / "all.jsonl"
    ran = run("export", out, "--vectors", "npy", "--where", "name=red-square.jpg", *asked)
    assert (ran.status, "Wrote 1 picture and 1 vector" in ran.out) == (0, True), ran.err
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "all.jsonl",
        "all.vectors.jsonl",
        "all.vectors.npy",
    ]
    (record,) = run("export", "-", "--where", "name=red-square.jpg", *asked).lines
    assert record == json.loads(out.read_text())
    again = run("export", out, *asked)
    assert (again.status, "is there already" in again.err) == (2, True)
    assert run("export", "-", "--vectors", "npy", *asked).status == 2
    assert run("export", "--xmp", *asked).status == 2
    assert filled.client.get("/v1/exports").json() == {"exports": []}
