"""What holds of an open library holds of the clients of its service: the same calls, the same answers, the same errors."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import opsin
from opsin.client import AsyncClient, Client
from opsin.errors import KeyRefused, LibraryError, Outdated, Taken, UnknownName, Unreachable, UsageError
from opsin.library import Part
from opsin.services.finding import views
from opsin.services.looking.given import Upload
from opsin.testing import jpeg_bytes, make_picture

if TYPE_CHECKING:
    from tests.web.conftest import Serve, Served


class Awaited:
    """An AsyncClient whose every method is waited for, so that the same tests hold of it."""

    def __init__(self, client: Any, runner: asyncio.Runner) -> None:
        self._runner = runner
        self._client = client

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if not callable(method):
            return Awaited(method, self._runner)

        async def gathered(made: Any) -> Any:
            return [each async for each in made] if hasattr(made, "__aiter__") else await made

        return lambda *args, **kwargs: self._runner.run(gathered(method(*args, **kwargs)))

    def end(self) -> None:
        self._runner.run(self._client.close())
        self._runner.close()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for colour in ("red", "green", "blue"):
        for shape in ("square", "circle"):
            (folder / f"{colour}-{shape}.jpg").write_bytes(jpeg_bytes(make_picture(colour, shape, 96)))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    return folder


@pytest.fixture(scope="module", params=["library", "client", "awaited"])
def there(request: pytest.FixtureRequest, serve: Serve, pictures: Path) -> Iterator[Any]:
    """Return a library with pictures: an open one, or one asked through a client."""
    if request.param == "library":
        served = serve()
        served.wait_until_ready()
        served.stop()
        with opsin.open(served.home) as library:
            library.add(pictures, owner="ann", tags=["toy"])
            yield library
        return
    served = serve()
    served.wait_until_ready()
    if request.param == "client":
        with Client(served.url, served.key) as client:
            client.add(pictures, owner="ann", tags=["toy"])
            yield client
        return
    awaited = Awaited(AsyncClient(served.url, served.key), asyncio.Runner())
    awaited.add(pictures, owner="ann", tags=["toy"])
    yield awaited
    awaited.end()


@contextmanager
def worked(there: Any) -> Iterator[None]:
    """Have jobs done, as a service has it."""
    with there.jobs.working() if isinstance(there, opsin.Library) else nullcontext():
        yield


def named(there: Any, name: str) -> opsin.library.AssetView:
    assets: list[opsin.library.AssetView] = [*there.list()]
    return next(each for each in assets if each.name == name)


def test_every_picture_is_there_with_what_was_said_of_it(there: Any) -> None:
    found = [*there.list()]
    assert sorted(each.name for each in found) == sorted(
        f"{colour}-{shape}.jpg" for colour in ("red", "green", "blue") for shape in ("square", "circle")
    )
    assert {each.owner for each in found} == {"ann"}
    assert all("toy" in [tag.label for tag in each.tags] for each in found)


def test_a_list_has_as_many_as_asked_and_goes_on_behind_one(there: Any) -> None:
    whole = [each.id for each in there.list()]
    assert [each.id for each in there.list(limit=2)] == whole[:2]
    assert [each.id for each in there.list(limit=3, after=whole[1])] == whole[2:5]
    assert [each.name for each in there.list(where=["name=red-square.jpg"])] == ["red-square.jpg"]


def test_adding_again_changes_nothing_and_a_broken_picture_ends_nothing(there: Any, pictures: Path) -> None:
    again = there.add(pictures, owner="ann")
    assert {each.status for each in again if not each.source.endswith("broken.jpg")} == {"unchanged"}
    refused = next(each for each in again if each.source.endswith("broken.jpg"))
    assert (refused.status, refused.problem.code) == ("refused", "unreadable-picture")
    alone = there.add(pictures / "broken.jpg")
    assert [each.status for each in alone] == ["refused"]


def test_one_asset_is_shown_by_its_id(there: Any) -> None:
    asset = named(there, "red-square.jpg")
    assert there.get(asset.id) == asset


def test_words_and_examples_find_what_looks_like_them(there: Any, pictures: Path) -> None:
    assert there.search("green", limit=2, everything=True).hits[0].asset.name.startswith("green")
    by_file = there.search(like=[str(pictures / "blue-circle.jpg")], limit=1)
    by_asset = there.search(like=[(named(there, "blue-circle.jpg").id, 2.0)], limit=1)
    assert [hit.asset.name for hit in (*by_file.hits, *by_asset.hits)] == ["blue-circle.jpg"] * 2


def test_a_hybrid_search_finds_by_names_and_says_why(there: Any) -> None:
    page = there.search("circles of green", hybrid=True, explain=True, limit=1)
    (hit,) = page.hits
    assert hit.asset.name == "green-circle.jpg"
    assert (hit.reasons.words, hit.reasons.parts[0].share) == (1, hit.similarity)
    assert there.search("toy", hybrid=True, explain=True, limit=1).hits[0].reasons.tags == 1


def test_what_a_search_finds_is_counted(there: Any) -> None:
    facets = there.search("green", limit=1, everything=True, facets=["owner"]).facets
    assert [(each.value, each.count) for each in facets.fields["owner"]] == [("ann", 6)]


def test_the_vector_of_a_picture_finds_what_the_picture_finds(there: Any, pictures: Path) -> None:
    picture = pictures / "blue-circle.jpg"
    (told,) = there.analyse(picture, embedding=True)
    assert sum(each * each for each in told.embedding) == pytest.approx(1)
    by_vector, by_picture = there.find([Part("vector", told.embedding)]), there.search(like=[str(picture)])
    assert [hit.asset.name for hit in by_vector.hits] == [hit.asset.name for hit in by_picture.hits]
    assert next(iter(there.analyse(picture))).embedding is None


def test_pages_of_a_search_follow_each_other(there: Any) -> None:
    first = there.search("red", limit=2, everything=True)
    second = there.search("red", limit=2, everything=True, cursor=first.cursor)
    assert len({hit.asset.id for hit in (*first.hits, *second.hits)}) == 4


def test_similar_assets_leave_out_the_asset_itself(there: Any) -> None:
    asset = named(there, "red-square.jpg")
    hits = there.similar(asset.id, limit=2)
    assert len(hits) == 2
    assert asset.id not in [hit.asset.id for hit in hits]


def test_a_persons_tag_is_counted_and_explained(there: Any) -> None:
    asset = named(there, "green-square.jpg")
    there.tag(asset.id, add=["favourite"])
    assert next(each for each in there.tags() if each.label == "favourite").count == 1
    assert there.explain(asset.id, "favourite").person == "added"
    there.tag(asset.id, remove=["favourite"])
    assert "favourite" not in [each.label for each in there.tags()]


def test_original_and_preview_are_the_pictures_bytes(there: Any, pictures: Path) -> None:
    asset = named(there, "red-circle.jpg")
    assert there.original(asset.id) == (pictures / "red-circle.jpg").read_bytes()
    assert there.preview(asset.id, width=32)[8:12] == b"WEBP"


def test_looking_stores_nothing(there: Any, pictures: Path) -> None:
    told = [*there.analyse(pictures / "red-square.jpg", pictures / "broken.jpg")]
    assert [each.status for each in told] == ["seen", "refused"]
    assert told[0].matches
    assert len([*there.list()]) == 6


def test_only_the_categorizers_that_are_named_are_asked(there: Any, pictures: Path) -> None:
    (told,) = there.analyse(pictures / "red-square.jpg", categorizers=["fake"])
    assert {source.categorizer for match in told.matches for source in match.sources} == {"fake"}
    (added,) = there.add(jpeg_bytes(make_picture("yellow", "ring", 96)), categorizers=["fake"])
    said = {report.categorizer: report.status for report in there.reports(added.id)}
    assert said.pop("fake") == "ok"
    assert set(said.values()) == {"declined"}
    for ask in (there.add, there.analyse):
        with pytest.raises(UnknownName, match="no categorizer 'nosuch'; there are colors, fake"):
            list(ask(pictures / "red-square.jpg", categorizers=["nosuch"]))
    there.delete(added.id, at_once=True)


def test_a_name_chooses_no_other_address(there: Any) -> None:
    asset = named(there, "red-square.jpg")
    for name in ("../../keys", f"../{asset.id}", ".", "..", "a/./b", "%2e%2e/x", "", "/"):
        with pytest.raises(UnknownName):
            there.called(name)
    for name in ("..", "", ".", "no/such"):
        for ask in (there.jobs.get, there.searches.get, there.webhooks.get, there.vocabularies.get):
            with pytest.raises(UnknownName):
                ask(name)
    for name in ("..", "toy/assets", ""):
        with pytest.raises(UsageError):
            there.tag_details(name)


def test_a_job_adds_pictures_while_nobody_waits(there: Any) -> None:
    data = jpeg_bytes(make_picture("purple", "ring", 96))
    job = there.jobs.add(Upload(data, "later.jpg"), Upload(b"no picture", "text.txt"), data, owner="bob", tags=["late"])
    assert (job.kind, job.over) == ("add", False)
    with worked(there):
        done = there.jobs.wait(job.id, timeout=60)
        assert (done.state, done.total) == ("done", 3)
        assert [each["status"] for each in done.result["results"]] == ["added", "refused", "known"]
        assert [each.get("source") for each in done.result["results"]] == [None, "text.txt", None]
        assert there.jobs.get(job.id[:-1]) == done
    for each in done.result["results"][::2]:
        assert there.delete(each["asset_id"], at_once=True).restorable_until is None
    with pytest.raises(UsageError, match="while nobody waits"):
        there.add(data, wait=False)
    with pytest.raises(UsageError, match="an Upload or an Address"):
        there.jobs.add("a.jpg")


def test_waiting_for_a_job_ends_in_time(there: Any) -> None:
    """A job that is cancelled is over; until then it is waited for as long as was said and no longer."""
    begun = time.monotonic()
    job = there.jobs.reanalyse(where=["owner=nobody"])
    there.jobs.wait(job.id, timeout=0.1)
    assert time.monotonic() - begun < 5
    there.jobs.cancel(job.id)
    with worked(there):
        assert there.jobs.wait(job.id).over


def test_a_job_is_heard_of_whenever_it_is_further_until_it_is_over(there: Any) -> None:
    job = there.jobs.reanalyse(categorizers=["fake"])
    with worked(there):
        heard = [*there.jobs.events(job.id)]
    assert [each.over for each in heard] == [False] * (len(heard) - 1) + [True]
    assert (heard[-1].state, heard[-1].done) == ("done", 6)
    assert heard[-1] == there.jobs.get(job.id)
    assert [*there.jobs.events(job.id)] == heard[-1:]
    with pytest.raises(UnknownName):
        [*there.jobs.events("0199c0de-0000-7000-8000-000000000000")]


def test_a_client_reads_the_page_of_a_tag_and_how_the_service_is(there: Any) -> None:
    if isinstance(there, opsin.Library):
        return
    assert there.ready().ready
    assert "\nopsin_assets 6.0\n" in there.metrics()
    page = there.tag_page("toy", limit=2, sort="name", order="asc", widths=[32])
    assert ([each.name for each in page.assets], page.total) == (["blue-circle.jpg", "blue-square.jpg"], 6)
    assert page.assets[0].previews[0].width == 32
    behind = there.tag_page("toy", limit=4, sort="name", order="asc", widths=[32], cursor=page.cursor)
    assert (len(behind.assets), behind.cursor) == (4, None)


def test_an_export_is_asked_for_listed_fetched_and_taken_away(there: Any, tmp_path: Path) -> None:
    with worked(there):
        job = there.jobs.wait(there.jobs.export(where=["name=red-square.jpg"], vectors="npy").id, timeout=60)
    assert (job.state, job.done, job.total) == ("done", 2, 2)
    (kept,) = there.exports.list()
    assert (kept.id, kept.assets, kept.vectors, kept.where) == (job.id, 1, 1, ("name=red-square.jpg",))
    assert there.exports.get(job.id) == kept
    out = there.exports.download(kept.id, tmp_path / "all.jsonl")
    assert json.loads(out.read_bytes())["owner"] == "ann"
    for each in kept.files:
        data = there.exports.download(kept.id, tmp_path / each.name, name=each.name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (each.bytes, each.sha256)
    with pytest.raises(UsageError, match="is there already"):
        there.exports.download(kept.id, out)
    for name in ("nothing", ".."):
        with pytest.raises(UnknownName):
            there.exports.download(kept.id, tmp_path / "no", name=name)
    assert there.exports.delete(kept.id) == kept
    with pytest.raises(UnknownName):
        there.exports.download(kept.id, tmp_path / "no")
    with pytest.raises(UnknownName):
        there.exports.get(kept.id)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["all.jsonl", *(each.name for each in kept.files)]
    )
    with pytest.raises(UsageError):
        there.jobs.export(where=["nonsense"])


def test_errors_are_those_of_the_library(there: Any) -> None:
    with pytest.raises(UnknownName):
        there.get("0199c0de-0000-7000-8000-000000000000")
    with pytest.raises(UsageError):
        there.search("   ")
    with pytest.raises(UsageError, match="limit"):
        there.search("red", limit=5000)
    for ask in (there.search, lambda: there.find([]), there.searches.create):
        with pytest.raises(UsageError, match="say what to search for"):
            ask()
    with pytest.raises(UsageError, match="limit has to be"):
        next(iter(there.list(limit=-1)))
    with pytest.raises(UsageError, match="where has to be a list of texts"):
        [*there.list(where="tag=dog")]
    with pytest.raises(UsageError, match="where has to be a list of texts"):
        there.search("red", where="tag=dog")


def test_a_wrong_key_is_refused(served: Served) -> None:
    with Client(served.url, "wrong") as client, pytest.raises(KeyRefused):
        client.tags()


def test_an_address_may_be_written_with_its_version(served: Served) -> None:
    for url in (f"{served.url}/", f"{served.url}/v1", f"{served.url}/v1/"):
        with Client(url, served.key) as client:
            assert client.version()["api"] == "v1"


def test_a_service_that_is_not_there_is_said_to_be_unreachable() -> None:
    with Client("http://127.0.0.1:9", "key", retries=0) as client, pytest.raises(Unreachable, match="opsin serve"):
        client.tags()


def test_an_asset_is_changed_deleted_and_brought_back(there: Any) -> None:
    asset = named(there, "red-circle.jpg")
    shown = views.etag(asset)
    changed = there.edit(asset.id, caption="warm", public_id="shop/red circle".replace(" ", "-"), expected=[shown])
    assert (changed.caption, changed.owner, changed.public_id) == ("warm", "ann", "shop/red-circle")
    with pytest.raises(Outdated):
        there.edit(asset.id, caption="cold", expected=[shown])
    assert there.edit(asset.id, caption=None, add=["warm"], expected=[shown, views.etag(changed)]).caption is None
    assert there.called("shop/red-circle").id == asset.id
    assert there.delete(asset.id).restorable_until
    with pytest.raises(UnknownName):
        there.get(asset.id)
    assert there.undelete(asset.id).id == asset.id
    with pytest.raises(Taken):
        there.edit(named(there, "blue-circle.jpg").id, public_id="shop/red-circle")
    there.edit(asset.id, public_id=None, remove=["warm"])


def test_pages_of_a_list_go_both_ways(there: Any) -> None:
    first = there.page(sort="name", order="desc", limit=4, where=["owner=ann"])
    second = there.page(sort="name", order="desc", limit=4, where=["owner=ann"], cursor=first.cursor)
    whole = [each.name for each in (*first.assets, *second.assets)]
    assert (first.total, second.cursor) == (6, None)
    assert whole == sorted(whole, reverse=True)
    behind = there.page(after=first.assets[0].id, limit=1000).assets
    assert [each.id for each in behind] == [each.id for each in there.list(after=first.assets[0].id)]


def test_what_is_known_of_a_picture_and_what_is_like_it(there: Any) -> None:
    asset = named(there, "green-square.jpg")
    assert {"colors", "fake"} <= {each.categorizer for each in there.reports(asset.id)}
    assert "green" in {each.label for each in there.palette(asset.id)}
    alike = there.duplicates_of(asset.id, threshold=0.5, limit=1)
    assert [each.asset.name for each in alike] == ["green-circle.jpg"]
    assert all(len(group.assets) > 1 for group in there.duplicates(threshold=0.5))
    details = there.tag_details("toy", limit=1000)
    assert (details.label, details.count) == ("toy", 6)
    assert {"green", "red"} <= {each.label for each in details.together}
    assert "toy" not in {each.label for each in details.together}
    assert len(there.tag_details("toy", limit=1).together) == 1
    with pytest.raises(UnknownName, match="did you mean"):
        there.tag_details("gren")


def test_searches_are_kept_listed_run_changed_and_deleted(there: Any, pictures: Path) -> None:
    asset = named(there, "red-square.jpg")
    first = there.searches.create("green", without=["blue"], where=["owner=ann"], cutoff=0.6, name="greens")
    second = there.searches.create(like=[str(pictures / "blue-circle.jpg"), (asset.id, -0.5)])
    third = there.searches.save([Part("text", "red")], cutoff=0.7)
    assert [part.text for part in first.parts] == ["green", "blue"]
    assert (second.parts[1].asset, len(second.parts[0].picture)) == (asset.id, 64)
    assert [*there.searches.list()] == [first, second, third]
    assert [*there.searches.list(limit=1, after=first.id)] == [second]
    assert there.searches.get(first.id) == first
    hits = there.searches.run(second.id, limit=1)
    assert [hit.asset.name for hit in hits.hits] == ["blue-circle.jpg"]
    changed = there.searches.change(third.id, parts=[Part("asset", asset.id)], where=["tag=toy"], name="like it")
    assert (changed.name, changed.where, changed.cutoff) == ("like it", ("tag=toy",), 0.7)
    for each in (first, second, third):
        there.searches.delete(each.id)
    with pytest.raises(UnknownName):
        there.searches.get(first.id)
    with pytest.raises(UsageError):
        there.searches.create(" ")


def test_a_vocabulary_is_tried_made_read_and_removed(there: Any) -> None:
    labels = [opsin.Label(id="shape", prompts=("square",), threshold={"default": -5.0})]
    tried = there.vocabularies.try_add("mine", labels)
    assert (tried.tags_added, [each.label for each in tried.labels]) == (6, ["shape"])
    there.vocabularies.create("mine", labels)
    assert there.vocabularies.get("mine").labels == tuple(labels)
    assert [each.name for each in there.vocabularies.list()] == ["everyday", "mine"]
    there.vocabularies.edit_label("mine", "shape", threshold=None, synonyms=["form"])
    assert there.vocabularies.get("mine").by_id["shape"].synonyms == ("form",)
    assert there.vocabularies.try_edit_label("mine", "shape", threshold={"default": -5.0}).contents == 6
    assert there.vocabularies.try_remove_label("mine", "shape").total == 6
    assert there.vocabularies.try_remove("mine").total == 6
    there.vocabularies.remove_label("mine", "shape")
    there.vocabularies.remove("mine")
    with pytest.raises(UnknownName, match="no vocabulary"):
        there.vocabularies.get("mine")


def test_a_client_changes_labels_and_leaves_the_scoring_to_a_job(there: Any) -> None:
    if isinstance(there, opsin.Library):  # which scores the library again only where it is asked to
        return
    labels = [opsin.Label(id="shape", prompts=("square",), threshold={"default": -5.0})]
    made = there.vocabularies.create("later", labels, wait=False)
    ended = there.jobs.wait(made.id, timeout=60)
    assert (ended.kind, ended.state, ended.result["tags_added"]) == ("rescore", "done", 6)
    seen = there.vocabularies.get("later").revision
    job = there.vocabularies.edit_label("later", "shape", expected=[seen], synonyms=["form"], wait=False)
    assert there.vocabularies.get("later").by_id["shape"].synonyms == ("form",)
    with pytest.raises(Outdated):
        there.vocabularies.remove_label("later", "shape", expected=[seen], wait=False)
    with pytest.raises(UsageError, match="nothing to wait for"):
        there.vocabularies.remove_label("later", "shape", rescore=False, wait=False)
    there.jobs.wait(job.id, timeout=60)
    gone = there.jobs.wait(there.vocabularies.remove_label("later", "shape", wait=False).id, timeout=60)
    assert gone.result["tags_removed"] == 6
    there.vocabularies.remove("later")


def test_plugins_are_told_of_and_insights_only_where_they_are_on(there: Any) -> None:
    assert {"zero_shot", "colors"} <= {each.name for each in there.plugins() if each.state != "off"}
    for ask in (lambda: there.insights.profile("ann"), there.insights.trends, lambda: there.insights.companions("red")):
        with pytest.raises(LibraryError, match="insights are off"):
            ask()
