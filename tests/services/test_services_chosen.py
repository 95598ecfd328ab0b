"""A picture that only some categorizers are asked about: the others are unknown, and can be asked later."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import opsin
from opsin.errors import UnknownName
from opsin.services.looking.analyse import analyse
from opsin.services.looking.chosen import LEFT_OUT
from opsin.services.looking.given import Upload
from opsin.testing import jpeg_bytes, make_picture

if TYPE_CHECKING:
    from tests.conftest import MakeLibrary

RED = jpeg_bytes(make_picture("red", "square", 96))


@pytest.fixture
def library(make_library: MakeLibrary) -> opsin.Library:
    """Return a library whose categorizers are fake, colors, quality and zero_shot/everyday."""
    return make_library(settings="\n[plugins.objects]\nenabled = false\n")


def said(library: opsin.Library, asset: str) -> dict[str, str]:
    return {each.categorizer: each.reason or each.status for each in library.reports(asset)}


def test_those_that_were_left_out_are_unknown_and_what_heals_reports_leaves_them_alone(library: opsin.Library) -> None:
    (added,) = library.add(RED, categorizers=["colors"])
    assert added.id is not None
    reports = said(library, added.id)
    assert reports.pop("colors") == "ok"
    assert set(reports.values()) == {LEFT_OUT}, reports
    assert {"fake", "zero_shot/everyday"} <= reports.keys()
    assert library.explain(added.id, "red").declined["fake"] == LEFT_OUT
    assert len(library.plan_reanalysis(missing=True, stale=True)) == 0
    library.vocabularies.edit_label("everyday", "dog", prompts=["a photo of a dog"])
    assert len(library.vocabularies.plan_rescore("everyday")) == 0
    assert library.vocabularies.try_edit_label("everyday", "dog", prompts=["a red square"]).changed == 0
    library.reanalyse(library.plan_reanalysis(categorizers=["fake"]))
    again = said(library, added.id)
    assert (again["fake"], again["zero_shot/everyday"]) == ("ok", LEFT_OUT)


def test_adding_again_asks_those_that_are_wanted_now(library: opsin.Library, tmp_path: Path) -> None:
    photo = tmp_path / "red.jpg"
    photo.write_bytes(RED)
    (first,) = library.add(photo, categorizers=["colors"])
    assert first.id is not None
    (second,) = library.add(photo, categorizers=["fake"])
    assert (second.status, second.id) == ("unchanged", first.id)
    assert said(library, first.id)["fake"] == "ok"
    assert said(library, first.id)["zero_shot/everyday"] == LEFT_OUT
    library.add(RED)
    assert set(said(library, first.id).values()) == {"ok"}
    library.add(RED, categorizers=["colors"])
    assert set(said(library, first.id).values()) == {"ok"}, "what is known already stays"


def test_a_plugin_names_all_its_categorizers_and_an_unknown_name_is_refused_at_once(library: opsin.Library) -> None:
    (told,) = library.analyse(RED, categorizers=["zero_shot"])
    assert {source.categorizer for match in told.matches for source in match.sources} == {"zero_shot/everyday"}
    for ask in (library.add, library.analyse, library.jobs.add):
        with pytest.raises(UnknownName, match=r"no categorizer 'nosuch'; there are colors, fake, .*zero_shot/everyday"):
            ask(Upload(RED), categorizers=["nosuch"])
    with pytest.raises(UnknownName, match="no categorizer 'nosuch'"):
        library.jobs.reanalyse(categorizers=["nosuch"])
    assert library.count() == 0


@pytest.mark.parametrize("first", ["few", "all"])
def test_two_who_send_the_same_picture_at_once_each_get_what_they_asked_for(
    library: opsin.Library, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    asked, both, second = list[Any](), threading.Barrier(2), threading.Event()

    def held(workspace: Any, data: bytes, categorizers: tuple[str, ...]) -> Any:
        asked.append(categorizers)
        done = analyse(workspace, data, categorizers)
        both.wait(60)
        if (first == "few") == (not categorizers):
            second.wait(60)
        return done

    monkeypatch.setattr("opsin.services.assets.ingest.analyse", held)
    with ThreadPoolExecutor(2) as callers:
        few = callers.submit(library.add, Upload(RED, "few.jpg"), categorizers=["colors"])
        every = callers.submit(library.add, Upload(RED, "all.jpg"))
        (few if first == "few" else every).result()
        second.set()
        statuses = [few.result()[0].status, every.result()[0].status]
    assert sorted(asked) == [(), ("colors",)]
    assert sorted(statuses) == ["added", "known"]
    views = {view.name: view for view in library.list()}
    assert set(said(library, views["few.jpg"].id).values()) == {"ok"}
    assert views["few.jpg"].tags == views["all.jpg"].tags
    assert {each.name for each in library.list(where=["tag=red"])} == {"few.jpg", "all.jpg"}


def test_a_job_asks_what_was_chosen_when_it_was_sent(library: opsin.Library) -> None:
    job = library.jobs.add(Upload(RED, "red.jpg"), categorizers=["colors"])
    with library.jobs.working():
        assert library.jobs.wait(job.id, 60).state == "done"
    (asset,) = library.list()
    assert said(library, asset.id)["fake"] == LEFT_OUT
