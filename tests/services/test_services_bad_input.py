"""Whatever a caller gives, the answer is an OpsinError that says what was wrong with which part."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

import opsin
from opsin.errors import LibraryBusy, OpsinError, UsageError
from opsin.library import Part
from opsin.testing import jpeg_bytes, make_picture
from opsin_index import Index

HALF = "\ud800x"
"""A text that no file and no database can hold."""
NAN = math.nan
NUL = "a\0b"
LONG = "x" * 5000
Call = Callable[[Any], object]


def each(name: str, values: Iterable[object], call: Callable[[Any, Any], object]) -> dict[str, Call]:
    """Return a call for each of the values."""
    return {f"{name} {ascii(value)[:9]}": partial(_with, call, value) for value in values}


def _with(call: Callable[[Any, Any], object], value: object, at: Any) -> object:
    return call(at, value)


def nested(levels: int) -> dict[str, Any]:
    """Return so many mappings within each other."""
    found: dict[str, Any] = {}
    for _ in range(levels - 1):
        found = {"a": found}
    return found


def forged(at: opsin.Library, key: str | int, row: int) -> str:
    """Return the cursor of a list by name whose last asset has this key and row."""
    of = hashlib.sha256(msgspec.json.encode(((), "name", "asc"))).hexdigest()[:8]
    return base64.urlsafe_b64encode(msgspec.json.encode((of, key, row))).decode()


CALLS: dict[str, Call] = {
    "caption half": lambda at: at.add(at.path, caption=HALF),
    "caption number": lambda at: at.add(at.path, caption=5),
    "owner half": lambda at: at.add(at.path, owner=HALF),
    "tag half": lambda at: at.add(at.path, tags=[HALF]),
    "tag number": lambda at: at.add(at.path, tags=[5]),
    "tag long": lambda at: at.add(at.path, tags=[LONG]),
    "context half": lambda at: at.add(at.path, context={"a": HALF}),
    "context object": lambda at: at.add(at.path, context={"a": object()}),
    "context set": lambda at: at.add(at.path, context={"a": {1}}),
    "context nan": lambda at: at.add(at.path, context={"a": NAN}),
    "analyse auto_tag": lambda at: list(at.analyse(at.path, auto_tag=NAN)),
    **each("picture", (5, None, [], object()), lambda at, v: at.add(v)),
    "context key": lambda at: at.add(at.path, context={1: 2}),
    **each("auto_tag", (NAN, math.inf, -1, 2, "x", True), lambda at, v: at.add(at.path, auto_tag=v)),
    **each("list limit", (0, -1, NAN, "x", 2.5), lambda at, v: list(at.list(limit=v))),
    **each("search limit", (0, -1, 10**9, NAN, "x", 2.5), lambda at, v: at.search("red", limit=v)),
    **each("similar limit", (-1, 10**9, NAN, "x"), lambda at, v: at.similar("red.jpg", limit=v)),
    **each("threshold", (NAN, math.inf, -2, 5, "x"), lambda at, v: list(at.duplicates(threshold=v))),
    **each("width", (0, -5, 10**9, NAN, "x"), lambda at, v: at.preview("red.jpg", width=v)),
    **each("weight", (NAN, math.inf, 1e300, "x"), lambda at, v: at.search(like=[("red.jpg", v)])),
    **each("interval", (NAN, math.inf, -1, "x"), lambda at, v: at.watch(at.path, interval=v)),
    "settle": lambda at: at.watch(at.path, settle=NAN),
    "search half": lambda at: at.search(HALF),
    "search number": lambda at: at.search(5),
    "search long": lambda at: at.search(LONG),
    "search long in parts": lambda at: at.search("x " * 990, without=["y " * 20]),
    "search saved long": lambda at: at.searches.save([Part("text", LONG)]),
    "search nothing": lambda at: at.search(""),
    "cursor number": lambda at: at.search("red", cursor=5),
    "cursor half": lambda at: at.search("red", cursor=HALF),
    "where half": lambda at: list(at.list(where=[f"owner={HALF}"])),
    "where number": lambda at: list(at.list(where=[5])),
    "where many": lambda at: at.count(where=["owner=ann"] * 101),
    "where many values": lambda at: at.count(where=[f"owner={'|'.join('a' * 251)}", f"name={'|'.join('b' * 250)}"]),
    "where long": lambda at: at.count(where=[f"name=*{LONG * 12}"]),
    "where of spaces": lambda at: at.count(where=["name=a" + " " * 200_000 + "b"]),
    "where large": lambda at: at.count(where=["width>=" + "9" * 400]),
    "cursor of a list": lambda at: at.page(sort="name", cursor=forged(at, 2**63, 1)),
    "owner long": lambda at: at.edit("red.jpg", owner="x" * 256),
    "caption long": lambda at: at.add(at.path, caption="x" * 10_001),
    "context deep": lambda at: at.edit("red.jpg", context=nested(101)),
    "context bottomless": lambda at: at.edit("red.jpg", context=nested(5000)),
    "context long": lambda at: at.edit("red.jpg", context={"a": "x" * 65_536}),
    "tags many": lambda at: at.tag("red.jpg", add=[f"tag {number}" for number in range(201)]),
    "tag nothing": lambda at: at.tag("red.jpg", add=["\ud800"]),
    "export nul": lambda at: at.export(NUL),
    "export half": lambda at: at.export(HALF),
    "export long": lambda at: at.export(LONG),
    "backup nul": lambda at: at.back_up(NUL),
    "backup half": lambda at: at.back_up(HALF),
    "watch nul": lambda at: at.watch(NUL),
    "vocabulary half": lambda at: at.vocabularies.add(HALF),
    "vocabulary nul": lambda at: at.vocabularies.add(f"{NUL}.toml"),
    "vocabulary long": lambda at: at.vocabularies.create(LONG),
    "prompt half": lambda at: at.vocabularies.edit_label("everyday", "dog", prompts=[HALF]),
    "threshold of a label": lambda at: at.vocabularies.edit_label("everyday", "dog", threshold={"default": NAN}),
    **each("open", (NUL, HALF, LONG, ""), lambda at, v: opsin.open(v)),
    **each("init", (NUL, HALF, LONG, ""), lambda at, v: opsin.init(v)),
    **each("restore", (NUL, HALF, LONG), lambda at, v: opsin.restore(v, at.path / "new")),
    "init encoder": lambda at: opsin.init(at.path / "new", encoder=HALF),
}


SETTINGS = """
host.extra_plugins = ["opsin.testing.plugin"]
plugins.starter.enabled = false
plugins.open_clip.enabled = false
"""


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[opsin.Library]:
    """Return a library with one picture, red.jpg, that none of the calls changes."""
    root = tmp_path_factory.mktemp("bad") / "library"
    root.mkdir()
    (root / "opsin.toml").write_text(SETTINGS, "utf-8")
    (root.parent / "red.jpg").write_bytes(jpeg_bytes(make_picture("red", "ring", 64)))
    with opsin.init(root, encoder="fake") as library:
        library.add(root.parent / "red.jpg")
        yield library


@pytest.mark.parametrize("name", CALLS)
def test_a_bad_value_is_refused_with_a_reason_and_changes_nothing(
    at: opsin.Library, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(at.path.parent)
    before = sorted(path for path in at.path.parent.rglob("*") if not path.name.startswith("index"))
    asset = at.get("red.jpg")
    with pytest.raises(OpsinError) as caught:
        CALLS[name](at)
    assert str(caught.value).encode()
    assert caught.value.exit_status in {2, 4}
    assert at.get("red.jpg") == asset
    assert sorted(path for path in at.path.parent.rglob("*") if not path.name.startswith("index")) == before


def test_one_text_where_a_list_is_wanted_is_taken_for_a_slip(at: opsin.Library) -> None:
    given: Any = "abc"
    for call in (
        lambda: at.add(at.path, tags=given),
        lambda: list(at.list(where=given)),
        lambda: at.search("red", without=given),
        lambda: at.tag("red.jpg", add=given),
    ):
        with pytest.raises(UsageError, match="a list of texts"):
            call()


def test_an_index_that_another_program_has_open_is_named(
    make_library: Callable[..., opsin.Library], photos: Path
) -> None:
    library = make_library()
    library.add(photos)
    library.close()
    with (
        Index.open(library.path / "index.opsin"),
        opsin.open(library.path) as again,
        pytest.raises(LibraryBusy, match="another program has the index"),
    ):
        again.search("red")


def test_a_damaged_snapshot_is_a_finding_and_no_crash(make_library: Callable[..., opsin.Library], photos: Path) -> None:
    library = make_library()
    library.add(photos)
    library.close()
    path = library.path / "index.opsin"
    data = path.read_bytes()
    path.write_bytes(data[:-8] + bytes(8))
    with opsin.open(library.path, readonly=True) as again:
        assert again.index.verify()
        assert again.search("red", everything=True).hits


def test_a_cursor_of_the_first_row_ends_a_list_that_goes_down(at: opsin.Library) -> None:
    of = hashlib.sha256(msgspec.json.encode(((), "added", "desc"))).hexdigest()[:8]
    cursor = base64.urlsafe_b64encode(msgspec.json.encode((of, 0, 0))).decode()
    assert at.page(sort="added", order="desc", cursor=cursor).assets == []


def test_as_many_conditions_and_values_as_are_allowed_are_answered(at: opsin.Library) -> None:
    conditions = ["format=jpeg"] * 99
    assert at.count(where=[*conditions, f"name=red.jpg|{'|'.join(map(str, range(400)))}"]) == 1
    assert at.count(where=[f"owner!={'|'.join(map(str, range(500)))}"]) == 1


def test_a_context_of_a_hundred_levels_is_kept_as_it_is(at: opsin.Library) -> None:
    at.edit("red.jpg", context=nested(100))
    assert at.page().assets[0].context == nested(100)
    at.edit("red.jpg", context={})
