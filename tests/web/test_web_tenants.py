"""Several libraries in one server: the key says which is asked, and nothing that is answered tells of another."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from click.testing import CliRunner
from tests.conftest import FAKE_SETTINGS, MakeLibrary
from tests.web.conftest import SETTINGS, Serve

import opsin
from opsin.cli.adding import add as add_command
from opsin.cli.serving import serve as serve_command
from opsin.errors import Damaged, EncoderMismatch, LibraryBusy, SettingError, UsageError
from opsin.model import Label
from opsin.services.base.keys import Keys
from opsin.services.base.layout import Layout
from opsin.testing import jpeg_bytes, make_picture
from opsin.web.app import create_app
from opsin.web.reception import Reception
from opsin.web.tenants import Tenants

RED, BLUE = (jpeg_bytes(make_picture(colour, "square", 96)) for colour in ("red", "blue"))
NOBODY = "opsin_00000000_0000000000000000000000000000000000000000"
CHANGES: Mapping[str, Mapping[str, Any]] = {
    "/v1/assets/{asset_id}": {"caption": "mine"},
    "/v1/assets/{asset_id}/tags": {"add": ["mine"]},
    "/v1/searches/{search_id}": {"name": "mine"},
    "/v1/webhooks/{webhook_id}": {"enabled": False},
}
"""A body that each PATCH takes; of others, an empty object."""


class Tenant(NamedTuple):
    """A library of the server, and what it has that others shall not learn of."""

    library: opsin.Library
    key: str
    ids: Mapping[str, str]


class Server(NamedTuple):
    """One server with two libraries."""

    app: Reception
    ours: Tenant
    theirs: Tenant

    def ask(self, key: str | None, method: str, path: str, **said: Any) -> httpx.Response:
        async def one() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as client:
                headers = {
                    "X-Request-Id": "it",
                    **({} if key is None else {"X-Api-Key": key}),
                    **said.pop("headers", {}),
                }
                return await client.request(method, path, headers=headers, **said)

        return asyncio.run(one())


def tenant(library: opsin.Library, name: str) -> Tenant:
    """Give a library the picture and the public id that both have, and what only it has."""
    both, own = (
        library.add(RED, public_id="both"),
        library.add(BLUE, public_id=f"blue_of_{name}", owner=f"owner_{name}"),
    )
    library.tag("both", add=[f"tag_{name}"])
    library.vocabularies.create(f"words_{name}", [Label(id=f"label_{name}", prompts=("a thing",))])
    search = library.searches.create("red", cutoff=0.6, name=f"search_{name}")
    webhook = library.webhooks.create(f"https://{name}.example/hook")
    ids = {
        "asset_id": own[0].asset.id if own[0].asset else "",
        "public_id": f"blue_of_{name}",
        "search_id": search.id,
        "webhook_id": webhook.id,
        "number": "1",
        "tag": f"tag_{name}",
        "vocabulary": f"words_{name}",
        "label": f"label_{name}",
        "key_id": Keys(Layout(library.path)).create(f"key_{name}").id,
        "both": both[0].asset.id if both[0].asset else "",
    }
    return Tenant(library, (library.path / "admin.key").read_text().strip(), ids)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with ExitStack() as stack:
        made = []
        for name in ("ours", "theirs"):
            home = tmp_path_factory.mktemp(name)
            (home / "opsin.toml").write_text(FAKE_SETTINGS, "utf-8")
            made.append(tenant(stack.enter_context(opsin.init(home, encoder="fake", vocabularies=())), name))
        yield Server(create_app(*(each.library for each in made)), *made)


def masked(answer: httpx.Response, *ids: str) -> tuple[int, Mapping[str, str], str]:
    """Return status, headers and body of an answer; whichever of ``ids`` it names is not told apart."""
    body = answer.text
    for each in sorted(ids, key=len, reverse=True):
        body = body.replace(each, "ID")
    return answer.status_code, {k: v for k, v in answer.headers.items() if k != "content-length"}, body


def operations(server: Server) -> Iterator[tuple[str, str]]:
    for path, item in server.ask(None, "GET", "/v1/openapi.json").json()["paths"].items():
        for method in item:
            yield method.upper(), path


def test_what_another_library_has_is_answered_as_what_does_not_exist(server: Server) -> None:
    nothing = {
        **dict.fromkeys(server.theirs.ids, "019a20a7-8d66-7ae0-a15c-eb1c889c71b3"),
        "public_id": "nothing-here",
        **{name: server.theirs.ids[name].replace("theirs", "thairs") for name in ("tag", "vocabulary", "label")},
        "key_id": "00000000",
        "number": "2",
    }
    seen = 0
    for method, path in operations(server):
        if "{" not in path:
            continue
        said: dict[str, Any] = {"json": CHANGES.get(path, {})} if method == "PATCH" else {}
        if path.endswith("/explain"):
            said["params"] = {"label": "red"}
        asked = [
            server.ask(server.ours.key, method, path.format_map(_Ids(ids)), **said)
            for ids in (server.theirs.ids, nothing)
        ]
        theirs, none = (masked(answer, *server.theirs.ids.values(), *nothing.values()) for answer in asked)
        assert theirs == none, (method, path)
        assert theirs[0] == 404, (method, path, theirs)
        seen += 1
    assert seen > 30


class _Ids(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "019a20a7-8d66-7ae0-a15c-eb1c889c71b3"


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("GET", "/v1/assets/named?name={}", {}),
        ("GET", "/v1/assets?after={}", {}),
        ("GET", "/v1/assets/{}", {}),
        ("POST", "/v1/search", {"parts": [{"asset": "{}"}]}),
        ("POST", "/v1/searches", {"parts": [{"asset": "{}"}], "cutoff": 0.5}),
    ],
)
@pytest.mark.parametrize("name", ["asset_id", "both"])
def test_an_id_of_another_library_names_nothing_wherever_it_stands(
    server: Server, method: str, path: str, said: Mapping[str, Any], name: str
) -> None:
    answers = []
    for each in (server.theirs.ids[name], "019a20a7-8d66-7ae0-a15c-eb1c889c71b3"):
        body = {"content": json.dumps(said).replace("{}", each)} if said else {}
        headers = {"Content-Type": "application/json"} if said else {}
        answer = server.ask(server.ours.key, method, path.format(each), headers=headers, **body)
        answers.append(masked(answer, each))
    assert answers[0] == answers[1]
    assert answers[0][0] == 404


def test_no_answer_holds_a_word_of_another_library(server: Server) -> None:
    words = {word for word in server.theirs.ids.values() if len(word) > 4} | {"theirs", str(server.theirs.library.path)}
    for method, path in operations(server):
        if method == "GET" and "{" not in path:
            asked = {"q": "red"} if path == "/v1/search" else None
            answer = server.ask(server.ours.key, method, path, params=asked)
            found = [word for word in words if word in answer.text + str(answer.headers)]
            assert not found, (path, found)
    for said in ("tag=tag_theirs", "owner=owner_theirs"):
        answer = server.ask(server.ours.key, "GET", "/v1/assets", params={"where": said})
        assert answer.status_code in {200, 404}
        assert server.theirs.ids["asset_id"] not in answer.text


def test_the_same_picture_and_public_id_are_each_librarys_own(server: Server) -> None:
    for tenant in (server.ours, server.theirs):
        shown = server.ask(tenant.key, "GET", "/v1/assets/by-public-id/both").json()
        assert shown["id"] == tenant.ids["both"]
        labels = {tag["label"] for tag in shown["tags"]}
        assert labels & {each.ids["tag"] for each in (server.ours, server.theirs)} == {tenant.ids["tag"]}
    shown_to_us = server.ask(server.ours.key, "GET", "/v1/assets/by-public-id/both").headers["etag"]
    assert shown_to_us != server.ask(server.theirs.key, "GET", "/v1/assets/by-public-id/both").headers["etag"]


def test_what_opens_nothing_is_refused_alike_whichever_library_it_resembles(server: Server) -> None:
    resembling = [f"opsin_{each.key.split('_')[1]}_{'0' * 40}" for each in (server.ours, server.theirs)]
    for method, path in (("GET", "/v1/tags"), ("GET", "/v1/assets/by-public-id/both"), ("POST", "/v1/keys")):
        answers = [masked(server.ask(key, method, path)) for key in (NOBODY, *resembling, "x", "")]
        assert answers[0][0] == 401
        assert all(answer == answers[0] for answer in answers)


def test_who_has_no_key_is_told_nothing_of_any_library(server: Server) -> None:
    open_routes = ("/v1/health/live", "/v1/health/ready", "/v1/version", "/v1/openapi.json", "/v1/docs")
    for path in open_routes:
        without, unknown = (masked(server.ask(key, "GET", path)) for key in (None, NOBODY))
        assert without == unknown
        assert "fake" not in without[2]
        assert str(server.ours.library.path.parent) not in without[2]
    assert server.ask(None, "GET", "/v1/version").json()["encoder"] is None
    assert server.ask(server.ours.key, "GET", "/v1/version").json()["encoder"] == "fake"
    assert server.ask(None, "GET", "/v1/libraries").status_code == 404


def test_what_others_do_moves_none_of_the_numbers_of_a_library(server: Server) -> None:
    def numbers() -> list[str]:
        own = ('route="/metrics"', "_created", "opsin_info")
        lines = server.ask(server.ours.key, "GET", "/metrics").text.splitlines()
        return [line for line in lines if not any(each in line for each in own)]

    before = numbers()
    for key in (server.theirs.key, NOBODY, None):
        server.ask(key, "GET", "/v1/tags")
        server.ask(key, "GET", "/v1/nothing")
    server.ask(server.theirs.key, "POST", "/v1/assets", files={"file": jpeg_bytes(make_picture("green", "circle", 96))})
    assert numbers() == before
    assert not any(line.startswith("process_") for line in before)


def same_number(server: Server) -> tuple[str, str]:
    """Give both libraries a key of the same id, and return the two secrets."""
    secrets = ("opsin_aabbccdd_" + "1" * 40, "opsin_aabbccdd_" + "2" * 40)
    for each, secret in zip((server.ours, server.theirs), secrets, strict=True):
        write_key(each.library.path, secret)
    return secrets


def write_key(home: Path, secret: str) -> None:
    import hashlib

    keys = json.loads((home / "keys.json").read_text())
    entry = {**keys[0], "id": "aabbccdd", "scope": "write", "sha256": hashlib.sha256(secret.encode()).hexdigest()}
    (home / "new.json").write_text(json.dumps([each for each in keys if each["id"] != "aabbccdd"] + [entry]))
    (home / "new.json").replace(home / "keys.json")


def test_an_idempotency_key_is_one_librarys_even_where_their_keys_have_the_same_id(server: Server) -> None:
    found = [
        server.ask(
            secret,
            "POST",
            "/v1/assets?public_id=once",
            headers={"Idempotency-Key": "once", "Content-Type": "image/jpeg"},
            content=RED,
        )
        for secret in same_number(server)
        for _ in range(2)
    ]
    assert [answer.headers.get("idempotency-replayed") for answer in found] == [None, "true", None, "true"]
    ids = [answer.json()["results"][0]["asset"]["id"] for answer in found]
    assert ids[0] == ids[1] != ids[2] == ids[3]


def test_limits_are_each_librarys_own_even_where_their_keys_have_the_same_id(make_library: MakeLibrary) -> None:
    limits = "[serve]\nrate_limit = 2\n"
    made = [make_library(name, settings=limits, vocabularies=()) for name in ("first", "second")]
    tenants = [Tenant(library, "", {}) for library in made]
    server = Server(create_app(*made), *tenants)
    first, second = same_number(server)
    assert [server.ask(first, "GET", "/v1/keys").status_code for _ in range(3)] == [403, 403, 429]
    assert server.ask(second, "GET", "/v1/tags").headers["ratelimit"].startswith('"key";r=1;')


def test_a_secret_that_came_to_open_two_libraries_opens_none(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    secret, _ = same_number(server)
    write_key(server.theirs.library.path, secret)
    assert server.ask(secret, "GET", "/v1/tags").status_code == 401
    assert "opens 2 libraries" in caplog.text
    same_number(server)
    assert server.ask(secret, "GET", "/v1/tags").status_code == 200


def test_damage_to_the_keys_of_one_library_is_for_the_log_and_not_for_callers(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    file = server.theirs.library.path / "keys.json"
    kept = file.read_bytes()
    file.write_text("{")
    try:
        refused = server.ask(server.theirs.key, "GET", "/v1/tags")
        assert (refused.status_code, refused.json()["code"]) == (401, "key-refused")
        assert server.ask(server.ours.key, "GET", "/v1/tags").status_code == 200
    finally:
        file.write_bytes(kept)
    assert f"the keys of {server.theirs.library.path} open nothing" in caplog.text


def test_one_process_serves_two_libraries_and_gives_both_back(serve: Serve, tmp_path: Path) -> None:
    home = tmp_path / "second"
    home.mkdir()
    (home / "opsin.toml").write_text(SETTINGS, "utf-8")
    opsin.init(home, encoder="fake", vocabularies=()).close()
    service = serve(None, str(home))
    secret = (home / "admin.key").read_text().strip()
    ran = CliRunner().invoke(
        add_command, [str(write(tmp_path / "red.jpg")), "--library", str(home), "--copy", "--json"]
    )
    assert ran.exit_code == 0, ran.output
    with service.client_with(secret) as client:
        answer = client.get("/v1/assets")
        assert [each["name"] for each in answer.json()["assets"]] == ["red.jpg"]
        (line,) = [each for each in service.log_of(answer.headers["x-request-id"]) if each.get("event") == "request"]
        assert line["library"] == str(home)
    assert service.client.get("/v1/assets").json()["assets"] == []
    assert service.stop()[-1]["event"] == "stopped"
    for each, pictures in ((service.home, 0), (home, 1)):
        with opsin.open(each) as library:
            assert (library.count(), list(library.index.verify())) == (pictures, [])


def write(path: Path) -> Path:
    path.write_bytes(RED)
    return path


def damage(home: Path) -> None:
    (home / "catalogue.sqlite").write_bytes(b"x" * 8192)


def other_encoder(home: Path) -> None:
    with closing(sqlite3.connect(home / "catalogue.sqlite")) as connection, connection:
        connection.execute("UPDATE meta SET value = 'gone' WHERE key = 'encoder'")


def other_host(home: Path) -> None:
    (home / "opsin.toml").write_text(f'{FAKE_SETTINGS}[serve]\nhosts = ["x.example"]\n', "utf-8")


@pytest.mark.parametrize(
    ("broken", "error", "told"),
    [
        (damage, Damaged, r"second/catalogue\.sqlite"),
        (other_encoder, EncoderMismatch, "second cannot be used: there is no encoder 'gone'"),
        (other_host, SettingError, r"serve\.hosts is .* in .*first and .* in .*second"),
        (lambda home: (home / "keys.json").write_text("{"), Damaged, r"second/keys\.json"),
        (
            lambda home: (home / "keys.json").write_bytes((home.parent / "first" / "keys.json").read_bytes()),
            UsageError,
            "opens both .*first and .*second",
        ),
    ],
)
def test_a_library_that_cannot_be_served_is_named_and_nothing_stays_half_open(
    tmp_path: Path, broken: Callable[[Path], object], error: type[Exception], told: str
) -> None:
    homes = [tmp_path / "first", tmp_path / "second"]
    for home in homes:
        home.mkdir()
        (home / "opsin.toml").write_text(FAKE_SETTINGS, "utf-8")
        opsin.init(home, encoder="fake", vocabularies=()).close()
    broken(homes[1])
    ran = CliRunner().invoke(serve_command, [str(home) for home in homes])
    assert isinstance(ran.exception, error)
    assert re.search(told, str(ran.exception))
    with opsin.open(homes[0]):  # the other was given back
        ran = CliRunner().invoke(serve_command, [str(homes[0])])
        assert isinstance(ran.exception, LibraryBusy)


def test_one_library_named_twice_is_wrong_usage(tmp_path: Path) -> None:
    ran = CliRunner().invoke(serve_command, [str(tmp_path), str(tmp_path / "x" / "..")])
    assert ran.exit_code == 2
    assert "are one library" in ran.output
    ran = CliRunner().invoke(serve_command, [str(tmp_path), "--library", str(tmp_path)])
    assert "not both" in ran.output
    ran = CliRunner().invoke(serve_command, ["--library", str(tmp_path), "-l", str(tmp_path / "x")])
    assert (ran.exit_code, "takes several as arguments" in ran.output) == (2, True), ran.output


def test_it_is_told_when_the_models_of_each_library_are_loaded(make_library: MakeLibrary) -> None:
    loaded: list[bool] = []
    made = make_library(vocabularies=())
    tenants = Tenants([made], lambda: loaded.append(made._workspace.ready().encoder.loaded))
    tenants.start()
    tenants.stop()
    assert loaded == [True]
    assert tenants.services[0].missing is None
