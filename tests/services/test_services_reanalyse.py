"""Asking again: what is stored is enough where it can be, and what is missing is taken from the pictures."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import opsin
from opsin.services.base.workspace import Workspace

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary
    from tests.services.again import reanalysed
else:
    from again import reanalysed

LATE = '''\
"""A plugin that is installed after the pictures were added: an extractor, and a categorizer that needs what it gives."""

import msgspec
import numpy as np
import opsin


class Config(msgspec.Struct):
    revision: str = "1"


class Height(opsin.Extractor):
    name = "height"
    features = (opsin.Feature("height", (1,), "float32"),)

    def __init__(self, config):
        self.revision = config.revision

    def extract(self, frames):
        if any(each.height == 123 for each in frames):
            raise ValueError("not this one")
        return [{"height": np.array([each.height * int(self.revision)], np.float32)} for each in frames]


class Tall(opsin.Categorizer):
    id = "tall"
    revision = "1"
    needs = frozenset({"height"})
    vocabulary = opsin.Vocabulary(name="tall", labels=(opsin.Label(id="tall_picture"),))

    def categorize(self, batch):
        heights = [float(each.features["height"][0]) for each in batch]
        return [opsin.Matches((opsin.Match("tall_picture", 0.9, {"height": height}),)) for height in heights]


@opsin.hookimpl
def opsin_manifest():
    return opsin.Manifest(name="late", summary="comes late", isolate=False, config=Config)


@opsin.hookimpl
def opsin_extractors(config):
    return [Height(config)]


@opsin.hookimpl
def opsin_categorizers():
    return [Tall()]
'''

BEGUN: list[str] = []
WATCHED = {"subprocess.Popen", "os.posix_spawn", "os.fork"}


def note(event: str, arguments: tuple[object, ...]) -> None:
    if event in WATCHED:
        BEGUN.append(event)
    elif event == "open" and str(arguments[0]).endswith(".jpg"):
        BEGUN.append(str(arguments[0]))


@pytest.fixture(scope="module", autouse=True)
def processes_are_noted() -> None:
    sys.addaudithook(note)


@pytest.fixture
def begun() -> Iterator[list[str]]:
    """Return the list of processes that begin and of pictures that are opened from now on."""
    BEGUN.clear()
    yield BEGUN
    BEGUN.clear()


@pytest.fixture
def late(
    make_library: MakeLibrary, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], opsin.Library]]:
    """Return a function that opens a library of six pictures for which the plugin `late` was installed afterwards."""
    library = make_library()
    library.add(photos)
    library.close()
    (tmp_path / "late_plugin.py").write_text(LATE, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    settings = library.path / "opsin.toml"
    text = settings.read_text("utf-8").replace('["opsin.testing.plugin"]', '["opsin.testing.plugin", "late_plugin"]')
    settings.write_text(text, "utf-8")
    yield make_library
    sys.modules.pop("late_plugin", None)


def set_revision(library: opsin.Library, revision: int) -> None:
    """Close the library, and let the extractor of `late` have another revision when it is opened again."""
    library.close()
    settings = library.path / "opsin.toml"
    kept = settings.read_text("utf-8").partition("[plugins.late]")[0]
    settings.write_text(f'{kept}[plugins.late]\nrevision = "{revision}"\n', "utf-8")


def heights(library: opsin.Library) -> set[object]:
    """Return what the reports of `tall` say."""
    reports = [report for record in library.records() for report in record.reports]
    return {report.matches[0].attributes["height"] for report in reports if report.categorizer == "tall"}


def answered(library: opsin.Library) -> dict[str, int]:
    """Return how many items each object has answered so far, by its kind and name."""
    found = (item for plugin in library._workspace.host.statuses() for item in plugin.objects)
    return {f"{item.kind} {item.name}": item.answered for item in found}


def states(library: opsin.Library) -> dict[str, str]:
    """Return how each object of the plugins is, by kind and name."""
    found = (item for plugin in library._workspace.host.statuses() for item in plugin.objects)
    return {f"{item.kind} {item.name}": item.state for item in found}


def test_features_of_a_plugin_that_came_later_are_taken_from_the_pictures_and_stored(
    late: Callable[[], opsin.Library], photos: Path
) -> None:
    library = late()
    plan = library.plan_reanalysis(missing=True)
    assert len(plan) == 6
    done = reanalysed(library, plan)
    assert {(entry.opened, entry.features, entry.categorizers) for entry in done} == {(True, ("height",), ("tall",))}
    assert [entry.problem for entry in done] == [None] * 6
    assert library.count(where=["tag=tall_picture"]) == 6
    assert len(library.plan_reanalysis(missing=True, stale=True)) == 0
    for path in photos.iterdir():
        path.unlink()
    again = reanalysed(library, library.plan_reanalysis(categorizers=["tall"]))
    assert [(entry.opened, entry.problem) for entry in again] == [(False, None)] * 6


def test_only_what_is_missing_is_extracted(late: Callable[[], opsin.Library]) -> None:
    library = late()
    reanalysed(library, library.plan_reanalysis(categorizers=["tall"]))
    found = states(library)
    assert found["extractor height"] == "ready"
    assert found["encoder fake"] == "idle"
    assert {found["extractor colors"], found["categorizer quality"]} == {"idle"}


def test_what_was_declined_for_want_of_a_feature_is_asked_again_once_it_is_there(
    late: Callable[[], opsin.Library],
) -> None:
    library = late()
    with library._workspace.catalogue.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO report SELECT id, 'tall', '1', 'tall', 'declined', 'no plugin gives it', '[]', '' FROM content"
        )
    done = reanalysed(library, library.plan_reanalysis(missing=True))
    assert {entry.categorizers for entry in done} == {("tall",)}
    assert library.count(where=["tag=tall_picture"]) == 6


def test_a_feature_that_cannot_be_had_is_that_pictures_problem_and_the_others_are_stored(
    late: Callable[[], opsin.Library], photos: Path
) -> None:
    from opsin.testing import jpeg_bytes, make_picture

    library = late()
    pixels = np.ascontiguousarray(np.resize(make_picture("red", "square", 123), (123, 90, 3)))
    (photos / "unlucky.jpg").write_bytes(jpeg_bytes(pixels))
    library.add(photos)
    done = {Path(entry.location).name: entry for entry in reanalysed(library, library.plan_reanalysis(missing=True))}
    assert len(done) == 7
    unlucky = done.pop("unlucky.jpg").problem
    assert unlucky is not None
    assert "no height could be had of it" in unlucky.message
    assert [entry.problem for entry in done.values()] == [None] * 6
    assert len(library.plan_reanalysis(missing=True)) == 1


def test_what_needs_stored_features_begins_no_process_and_loads_no_network(
    make_library: MakeLibrary, photos: Path, begun: list[str]
) -> None:
    made = make_library()
    made.add(photos)
    made.close()
    assert any(event in WATCHED for event in begun), "the counter counts nothing"
    assert any(str(photos) in event for event in begun), "the counter counts no opened picture"
    begun.clear()
    library = make_library()
    plan = library.plan_reanalysis(categorizers=["zero_shot", "colors"])
    assert len(plan) == 6
    assert not any(entry.opened or entry.problem for entry in reanalysed(library, plan))
    assert begun == []
    found = states(library)
    assert found["encoder fake"] == "idle", "the texts are stored: nothing has to be encoded"
    assert {state for name, state in found.items() if name.startswith("extractor")} == {"idle"}
    assert found["categorizer colors"] == found["categorizer zero_shot/everyday"] == "ready"
    assert found["categorizer quality"] == "idle"


def test_a_plan_that_opens_pictures_begins_no_process_itself(
    make_library: MakeLibrary, photos: Path, begun: list[str]
) -> None:
    made = make_library()
    made.add(photos)
    made.close()
    begun.clear()
    library = make_library()
    plan = library.plan_reanalysis(categorizers=["quality"])
    assert begun == []
    assert all(entry.opened for entry in reanalysed(library, plan))


def test_reanalysis_of_an_animation_whose_frames_would_be_others_says_so(
    make_library: MakeLibrary, tmp_path: Path
) -> None:
    from PIL import Image

    from opsin.testing import make_picture

    frames = [Image.fromarray(make_picture(colour, "full", 64)) for colour in ("red", "green", "blue")]
    frames[0].save(tmp_path / "colours.gif", save_all=True, append_images=frames[1:], duration=100)
    library = make_library()
    library.add(tmp_path / "colours.gif")
    library.close()
    settings = library.path / "opsin.toml"
    settings.write_text(settings.read_text("utf-8") + "[decode]\nmax_frames = 2\n", "utf-8")
    library = make_library()
    (entry,) = reanalysed(library, library.plan_reanalysis(categorizers=["quality"]))
    assert entry.problem is not None
    assert "set decode.max_frames as it was" in entry.problem.message


def test_an_encoder_that_changed_scores_nothing(make_library: MakeLibrary, photos: Path) -> None:
    library = make_library()
    library.add(photos)
    with library._workspace.catalogue.write() as connection:
        connection.exec_driver_sql("UPDATE meta SET value = 'fake fake-0 64' WHERE key = 'encoder_revision'")
    library.close()
    again = Workspace(library.path)
    try:
        with pytest.raises(opsin.errors.EncoderMismatch, match=r"fake-1.*fake-0"):
            again.ready()
    finally:
        again.close()
    with opsin.open(library.path) as opened, pytest.raises(opsin.errors.EncoderMismatch, match=r"fake-1.*fake-0"):
        opened.plan_reanalysis(categorizers=["zero_shot"])


def test_a_new_revision_of_an_extractor_makes_what_it_gave_and_what_rests_on_that_stale(
    late: Callable[[], opsin.Library], photos: Path
) -> None:
    from opsin.testing import jpeg_bytes, make_picture

    library = late()
    library.reanalyse(library.plan_reanalysis(missing=True))
    set_revision(library, 2)
    library = late()
    (photos / "new.jpg").write_bytes(jpeg_bytes(make_picture("red", "full", 64)))
    library.add(photos)
    assert heights(library) == {96, 2 * 64}
    found = [entry for entry in library.examine() if entry.area == "reports"]
    assert [(entry.state, entry.remedy) for entry in found] == [("problem", "opsin reanalyse --stale")] * 2
    assert [entry.message.partition(":")[0] for entry in found] == [
        "6 contents have a report of an older revision of tall",
        "6 contents have older features height",
    ]
    assert len(library.plan_reanalysis(missing=True)) == 0
    done = reanalysed(library, library.plan_reanalysis(stale=True))
    assert {(entry.opened, entry.features, entry.categorizers) for entry in done} == {(True, ("height",), ("tall",))}
    assert len(done) == 6
    assert heights(library) == {2 * 96, 2 * 64}
    assert len(library.plan_reanalysis(missing=True, stale=True)) == 0
    assert [entry.state for entry in library.examine() if entry.area == "reports"] == ["ok"]


def test_what_needs_no_older_feature_is_asked_again_without_opening_pictures_that_have_one(
    late: Callable[[], opsin.Library],
) -> None:
    library = late()
    library.reanalyse(library.plan_reanalysis(missing=True))
    set_revision(library, 2)
    library = late()
    assert not any(entry.opened for entry in reanalysed(library, library.plan_reanalysis(categorizers=["colors"])))
    assert all(entry.opened for entry in reanalysed(library, library.plan_reanalysis(categorizers=["tall"])))


def test_a_feature_renewed_for_another_reason_leaves_what_rests_on_the_older_one_stale(
    late: Callable[[], opsin.Library], photos: Path
) -> None:
    library = late()
    library.reanalyse(library.plan_reanalysis(missing=True))
    set_revision(library, 2)
    library = late()
    again = reanalysed(library, library.plan_reanalysis(categorizers=["quality"]))
    assert {entry.features for entry in again} == {("height",)}
    for path in photos.iterdir():
        path.unlink()
    done = reanalysed(library, library.plan_reanalysis(stale=True))
    assert {(entry.opened, entry.categorizers, entry.problem) for entry in done} == {(False, ("tall",), None)}
    assert heights(library) == {2 * 96}


def test_where_a_picture_is_gone_its_older_report_stays_and_stays_stale(
    late: Callable[[], opsin.Library], photos: Path
) -> None:
    library = late()
    library.reanalyse(library.plan_reanalysis(missing=True))
    set_revision(library, 2)
    library = late()
    (photos / "red-circle.jpg").unlink()
    done = reanalysed(library, library.plan_reanalysis(stale=True))
    assert [Path(entry.location).name for entry in done if entry.problem is not None] == ["red-circle.jpg"]
    assert heights(library) == {96, 2 * 96}
    assert library.count(where=["tag=tall_picture"]) == 6
    assert len(library.plan_reanalysis(stale=True)) == 1


def test_features_from_before_revisions_were_noted_are_stale_but_not_those_of_the_encoder(
    make_library: MakeLibrary, photos: Path
) -> None:
    library = make_library()
    library.add(photos)
    with library._workspace.catalogue.write() as connection:
        connection.exec_driver_sql("UPDATE feature SET plugin = '', revision = ''")
    library.close()
    library = make_library()
    plan = library.plan_reanalysis(stale=True)
    assert {(entry.features, entry.categorizers) for entry in reanalysed(library, plan)} == {
        (("palette",), ("colors",))
    }
    assert len(library.plan_reanalysis(stale=True)) == 0


def test_a_known_picture_is_brought_up_to_date_when_its_bytes_come_again(
    late: Callable[[], opsin.Library], photos: Path, tmp_path: Path
) -> None:
    library = late()
    library.reanalyse(library.plan_reanalysis(missing=True))
    set_revision(library, 2)
    library = late()
    again = tmp_path / "again.jpg"
    again.write_bytes((photos / "red-circle.jpg").read_bytes())
    (added,) = library.add_each(again)
    assert added.status == "known"
    assert added.asset is not None
    assert "tall_picture" in {tag.label for tag in added.asset.tags}
    assert heights(library) == {96, 2 * 96}
    assert len(library.plan_reanalysis(stale=True)) == 5
    again.rename(tmp_path / "once_more.jpg")
    assert [entry.status for entry in library.add_each(tmp_path / "once_more.jpg")] == ["moved"]


def test_a_known_picture_that_is_up_to_date_is_not_decoded(
    make_library: MakeLibrary, photos: Path, tmp_path: Path
) -> None:
    library = make_library()
    library.add(photos)
    before = answered(library)
    (tmp_path / "again.jpg").write_bytes((photos / "red-circle.jpg").read_bytes())
    assert [entry.status for entry in library.add_each(tmp_path / "again.jpg")] == ["known"]
    assert answered(library) == before


def test_the_features_of_a_plugin_are_forgotten_with_what_it_said_unless_another_needs_them(
    late: Callable[[], opsin.Library],
) -> None:
    library = late()
    library.reanalyse(library.plan_reanalysis(missing=True))
    with pytest.raises(opsin.errors.UsageError, match="late is in use"):
        library.forget("late")
    library.close()
    settings = library.path / "opsin.toml"
    settings.write_text(settings.read_text("utf-8") + "[plugins.late]\nenabled = false\n", "utf-8")
    library = late()
    with library._workspace.catalogue.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO feature SELECT content_id, frame, 'palette', x'00', 'late', '1' FROM embedding "
            "WHERE true ON CONFLICT DO UPDATE SET plugin = 'late'"
        )
    remedies = [entry.remedy for entry in library.examine() if entry.area == "reports" and entry.state == "warning"]
    assert [remedy.rpartition(": ")[2] for remedy in remedies] == [
        "opsin plugins forget late",
        "opsin plugins forget tall",
    ]
    gone = library.forget("late")
    assert (gone.categorizers, gone.reports, gone.features, gone.contents) == ((), 0, ("height",), 6)
    gone = library.forget("tall")
    assert (gone.categorizers, gone.reports, gone.features, gone.contents) == (("tall",), 6, (), 0)
    with pytest.raises(opsin.errors.UnknownName, match="with either, are: none"):
        library.forget("late")
    with library._workspace.catalogue.read() as connection:
        left = connection.exec_driver_sql("SELECT name, count(*) FROM feature GROUP BY name").fetchall()
    assert [tuple(row) for row in left] == [("palette", 6)]
