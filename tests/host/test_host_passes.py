"""One content's way through the host: rounding, best scores over frames, dependants, re-scoring."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from opsin import (
    Categorizer,
    Declined,
    Encoder,
    Extractor,
    Feature,
    Frame,
    Frames,
    Item,
    Label,
    Manifest,
    Match,
    Matches,
    hookimpl,
)
from opsin.errors import DeadlineExceeded, Overloaded, PluginError, UnknownName, UsageError
from opsin.host import EncoderFacts, Host
from opsin.host.passes import Pass
from opsin.host.target import Job
from opsin.model import Vocabulary
from opsin.plugin.rules import EMBEDDING
from opsin.testing import COLOURS, FakeEncoder, make_frame

MakeHost = Callable[..., Host]
NEEDS = {"of_mean": {"mean", "embedding"}, "of_embedding": {"embedding"}, "of_nothing": {"nothing"}}


class PlainCategorizer(Categorizer):
    """Answers what its function says."""

    revision = "1"
    vocabulary = "any"

    def __init__(self, name: str, answer: Callable[[Item], Matches | Declined], needs: Any = None) -> None:
        self.id = name
        self.needs = needs or Frames(min_side=40)
        self.answer = answer
        self.seen: list[Item] = []

    def categorize(self, batch: Sequence[Item]) -> list[Matches | Declined]:
        self.seen.extend(batch)
        return [self.answer(item) for item in batch]


class Module:
    """A plugin made inside a test."""

    def __init__(self, name: str, categorizers: Sequence[Categorizer] = (), encoder: Encoder | None = None) -> None:
        self._parts = (name, categorizers, encoder)

    @hookimpl
    def opsin_manifest(self) -> Manifest:
        return Manifest(name=self._parts[0], summary="made by a test", isolate=False)

    @hookimpl
    def opsin_encoder(self, name: str) -> Encoder | None:
        return self._parts[2] if name == self._parts[0] else None

    @hookimpl
    def opsin_categorizers(self) -> Sequence[Categorizer]:
        return self._parts[1]


def extra(*categorizers: Categorizer, encoder: Encoder | None = None) -> tuple[tuple[str, object], ...]:
    return (("mine", Module("mine", categorizers, encoder)),)


def brightness(item: Item) -> Matches | Declined:
    assert item.frame is not None
    if item.frame.pixels.mean() < 20:
        return Declined("too dark")
    return Matches((Match("bright", item.frame.pixels.mean() / 255),))


def test_features_are_rounded_to_their_stored_dtype_before_categorizers_see_them(make_host: MakeHost) -> None:
    looking = PlainCategorizer("looking", lambda _: Matches(), needs=frozenset({EMBEDDING}))
    host = make_host(extra=extra(looking))
    analysis = host.submit([make_frame("red")]).result(60)
    stored = analysis.features[0][EMBEDDING]
    assert stored.dtype == np.float16
    seen = looking.seen[0].features[EMBEDDING]
    assert seen.dtype == np.float32
    np.testing.assert_array_equal(seen, stored.astype(np.float32))
    assert float(np.linalg.norm(seen)) == pytest.approx(1, abs=1e-3)


def test_the_best_score_of_each_label_is_kept_with_its_frame(make_host: MakeHost) -> None:
    host = make_host(extra=extra(PlainCategorizer("brightness", brightness)))
    frames = [make_frame("red", "full"), make_frame("yellow", "full"), make_frame("blue", "full")]
    analysis = host.submit(frames).result(60)
    assert len(analysis.features) == 3
    found = {report.categorizer: report for report in analysis.reports}
    assert [(match.label, match.frame) for match in found["brightness"].matches] == [("bright", 1)]
    assert {match.label: match.frame for match in found["fake"].matches}["blue"] == 2
    assert {match.label: match.frame for match in found["fake"].matches}["red"] == 0


def test_a_content_is_declined_only_where_every_frame_is(make_host: MakeHost) -> None:
    host = make_host(extra=extra(PlainCategorizer("brightness", brightness)))
    dark = Frame(np.zeros((64, 64, 3), np.uint8))

    def report(*frames: Frame) -> Any:
        reports = host.submit(frames).result(60).reports
        return next(each for each in reports if each.categorizer == "brightness")

    assert report(dark, make_frame()).status == "ok"
    assert (report(dark, dark).status, report(dark, dark).reason) == ("declined", "too dark")


def test_an_encoder_that_fails_on_one_content_fails_that_content_only(make_host: MakeHost) -> None:
    class Picky(FakeEncoder):
        def extract(self, frames: Sequence[Frame]) -> list[Mapping[str, Any]]:
            if any(frame.pixels.max() == 0 for frame in frames):
                raise ValueError("black")
            return super().extract(frames)

    host = make_host(extra=extra(encoder=Picky()), encoder="mine")
    black = Frame(np.zeros((64, 64, 3), np.uint8))
    futures = [host.submit([frame]) for frame in (make_frame(), make_frame(), black, make_frame())]
    errors = [future.exception(60) for future in futures]
    assert [error is None for error in errors] == [True, True, False, True]
    assert isinstance(errors[2], PluginError)
    assert "black" in str(errors[2])


def test_an_encoder_that_hangs_fails_what_waits_for_it(make_host: MakeHost) -> None:
    release = threading.Event()

    class Stuck(FakeEncoder):
        def extract(self, frames: Sequence[Frame]) -> list[Mapping[str, Any]]:
            release.wait()
            return super().extract(frames)

    host = make_host(extra=extra(encoder=Stuck()), encoder="mine", host={"deadline": 1.0})
    futures = [host.submit([make_frame()]) for _ in range(20)]
    assert all(isinstance(future.exception(60), DeadlineExceeded) for future in futures)
    assert "quarantined" in str(host.submit([make_frame()]).exception(60))
    with pytest.raises(PluginError, match="quarantined"):
        host.encoder.encode_texts(["red"])
    release.set()


def test_an_encoder_whose_rows_are_not_unit_length_is_found_out(make_host: MakeHost) -> None:
    class Long(FakeEncoder):
        def extract(self, frames: Sequence[Frame]) -> list[Mapping[str, Any]]:
            return [{EMBEDDING: 2 * row[EMBEDDING]} for row in super().extract(frames)]

    host = make_host(extra=extra(encoder=Long()), encoder="mine")
    with pytest.raises(PluginError, match="unit length"):
        host.submit([make_frame()]).result(60)


def test_a_categorizer_whose_feature_no_plugin_gives_declines(make_host: MakeHost) -> None:
    host = make_host(extra=extra(PlainCategorizer("reader", lambda _: Matches(), needs=frozenset({"text"}))))
    reports = {each.categorizer: each for each in host.submit([make_frame()]).result(60).reports}
    assert reports["reader"].status == "declined"
    assert reports["reader"].reason == "it needs the feature 'text', which no plugin in use gives"
    assert reports["fake"].status == "ok"


def test_a_categorizer_whose_feature_failed_fails_with_the_reason(make_host: MakeHost) -> None:
    measuring = PlainCategorizer("measuring", lambda _: Matches(), needs=frozenset({"size"}))
    broken = {"isolate": False, "extract": "raise"}
    host = make_host(extra=(*extra(measuring), ("misbehaving", "misbehaving_plugin")), plugins={"misbehaving": broken})
    analysis = host.submit([make_frame()]).result(60)
    report = next(each for each in analysis.reports if each.categorizer == "measuring")
    assert report.status == "failed"
    assert "'size', which failed: the extractor 'size'" in report.reason
    (again,) = host.categorize(analysis.features, ["measuring"])
    assert (again.status, again.reason) == ("failed", "it needs the feature 'size', which is not stored")


def test_scoring_again_from_stored_features_gives_the_same_reports(make_host: MakeHost) -> None:
    host = make_host(extra=extra(PlainCategorizer("brightness", brightness)))
    contents = [host.submit([make_frame(colour), make_frame(colour, "ring")]).result(60) for colour in COLOURS]
    again = host.categorize_many([content.features for content in contents])
    for content, reports in zip(contents, again, strict=True):
        assert reports == [each for each in content.reports if each.categorizer == "fake"]
    assert not host.lacks(contents[0].features, "fake")
    assert host.lacks(contents[0].features, "brightness")
    with pytest.raises(UsageError, match="looks at the picture"):
        host.categorize(contents[0].features, ["brightness"])
    with pytest.raises(UnknownName, match="there are: fake, brightness"):
        host.categorize(contents[0].features, ["nothing"])


def test_features_that_are_known_are_not_extracted_again_and_stay_as_they_are(make_host: MakeHost) -> None:
    host = make_host(extra=(("misbehaving", "misbehaving_plugin"),), plugins={"misbehaving": {"isolate": False}})
    known = {EMBEDDING: np.full(64, 0.125, np.float32)}
    analysis = host.submit([make_frame()], ["fake"], known=[known]).result(60)
    np.testing.assert_array_equal(analysis.features[0][EMBEDDING], known[EMBEDDING])
    assert analysis.features[0]["size"].tolist() == [64, 64]
    size = {"size": np.zeros(2, np.float32)}
    fresh = host.submit([make_frame()], (), known=[size]).result(60).features[0]
    assert set(fresh) == {EMBEDDING, "size"}
    assert fresh["size"].tolist() == [0, 0]
    with pytest.raises(UsageError, match="features of 2 frames, but 1 frames"):
        host.submit([make_frame()], known=[{}, {}])


def test_the_encoder_of_stored_vectors_is_taken_at_its_word_until_it_is_loaded(make_host: MakeHost) -> None:
    same = make_host(made_by=EncoderFacts("fake", "fake-1", "fake", 64))
    assert (same.encoder.revision, same.encoder.space, same.encoder.loaded) == ("fake-1", "fake", False)
    assert same.encoder.encode_texts(["red"]).shape == (1, 64)
    other = make_host(made_by=EncoderFacts("fake", "fake-0", "fake", 64))
    assert (other.encoder.revision, other.encoder.loaded) == ("fake-0", False)
    asking: tuple[Callable[[], object], ...] = (lambda: other.encoder.encode_texts(["red"]), other.encoder.background)
    for ask in asking:
        with pytest.raises(PluginError, match="another revision"):
            ask()
    assert other.encoder.revision == "fake-1"


def test_an_isolated_categorizer_loads_no_encoder_that_it_does_not_ask(make_host: MakeHost) -> None:
    host = make_host(extra=(("misbehaving", "misbehaving_plugin"),), made_by=EncoderFacts("fake", "fake-1", "fake", 64))
    assert host.revisions(["misbehaving"]) == {"misbehaving": "1"}
    assert not host.encoder.loaded


def test_only_the_categorizers_that_are_asked_for_report(make_host: MakeHost) -> None:
    host = make_host(extra=extra(PlainCategorizer("brightness", brightness)))
    reports = host.submit([make_frame()], ["brightness"]).result(60).reports
    assert [each.categorizer for each in reports] == ["brightness"]


def test_more_than_the_queue_allows_is_refused_or_waits(make_host: MakeHost) -> None:
    gate = threading.Event()

    def slow(_: Item) -> Matches:
        gate.wait(60)
        return Matches()

    host = make_host(extra=extra(PlainCategorizer("slow", slow)), host={"queue": 4})
    futures = [host.submit([make_frame()]) for _ in range(4)]
    with pytest.raises(Overloaded, match=r"host\.queue allows 4"):
        host.submit([make_frame()])
    waiting = threading.Thread(target=lambda: futures.append(host.submit([make_frame()], wait=True)))
    waiting.start()
    gate.set()
    waiting.join(60)
    assert len(futures) == 5
    assert all(future.result(60).reports for future in futures)


def test_a_closed_host_answers_what_waits(make_host: MakeHost) -> None:
    host = make_host()
    host.submit([make_frame()]).result(60)
    host.close()
    with pytest.raises(PluginError, match="closed"):
        host.submit([make_frame()])


def test_explaining_uses_the_categorizer_that_made_the_score(make_host: MakeHost) -> None:
    host = make_host()
    analysis = host.submit([make_frame("green")]).result(60)
    score = next(match.score for match in analysis.reports[0].matches if match.label == "green")
    why = host.explain("fake", analysis.features[0], "green")
    assert 1 / (1 + np.exp(-why["slope"] * (why["cosine"] - why["middle"]))) == pytest.approx(score)
    with pytest.raises(UnknownName, match="has no label"):
        host.explain("fake", analysis.features[0], "mauve")


def test_text_from_another_thread_is_encoded_while_contents_are_under_way(make_host: MakeHost) -> None:
    host = make_host()
    futures = [host.submit([make_frame()]) for _ in range(50)]
    rows = host.encoder.encode_texts(["red", "blue"])
    assert rows.shape == (2, host.encoder.dim)
    assert host.encoder.background().shape == (0, host.encoder.dim)
    assert all(future.result(60) for future in futures)


class VocabularyPlugin:
    """One categorizer per vocabulary; counts its loads."""

    def __init__(self) -> None:
        self.loads: list[str] = []

    @hookimpl
    def opsin_manifest(self) -> Manifest:
        return Manifest(name="mine", summary="made by a test", isolate=False)

    @hookimpl
    def opsin_categorizers(self, vocabularies: Sequence[Vocabulary]) -> Sequence[Categorizer]:
        plugin = self

        class Same(Categorizer):
            needs = frozenset({EMBEDDING})

            def __init__(self, vocabulary: Vocabulary) -> None:
                self.id = f"mine/{vocabulary.name}"
                self.vocabulary = vocabulary
                self.revision = "unloaded"

            def load(self, context: Any) -> None:
                plugin.loads.append(self.id)
                self.revision = f"{context.encoder.revision}+{self.vocabulary.revision}"  # type: ignore[union-attr]

            def categorize(self, batch: Sequence[Item]) -> list[Matches | Declined]:
                labels = self.vocabulary.labels  # type: ignore[union-attr]
                return [Matches(tuple(Match(label.id, 0.75) for label in labels)) for _ in batch]

        return [Same(vocabulary) for vocabulary in vocabularies]


def test_new_vocabularies_load_only_what_changed(make_host: MakeHost) -> None:
    plugin = VocabularyPlugin()
    pets = Vocabulary(name="pets", labels=(Label(id="dog"), Label(id="cat")))
    cars = Vocabulary(name="cars", labels=(Label(id="van"),))
    host = make_host(extra=(("mine", plugin),), vocabularies=(pets, cars))
    assert host.revisions()["mine/pets"] == f"fake-1+{pets.revision}"
    assert set(host.labels) >= {"dog", "cat", "van", "red"}
    features = host.submit([make_frame()]).result(60).features
    more = Vocabulary(name="cars", labels=(Label(id="van"), Label(id="bus")))
    under_way = [host.submit([make_frame()]) for _ in range(20)]
    host.set_vocabularies([pets, more])
    assert all(report.status == "ok" for future in under_way for report in future.result(60).reports)
    reports = {each.categorizer: each for each in host.categorize(features)}
    assert [match.label for match in reports["mine/cars"].matches] == ["van", "bus"]
    assert host.revisions()["mine/cars"] == f"fake-1+{more.revision}"
    assert plugin.loads == ["mine/pets", "mine/cars", "mine/cars"]
    host.set_vocabularies([])
    assert "mine/pets" not in host.categorizers


class Extracting(Module):
    """A plugin with an extractor of ``mean``, which asks for ``late`` as its revision when it is loaded."""

    def __init__(self, *categorizers: Categorizer, revision: str = "7", late: str = "7") -> None:
        super().__init__("mine", categorizers)
        self._revision, self._late = revision, late

    @hookimpl
    def opsin_extractors(self) -> Sequence[Extractor]:
        declared, late = self._revision, self._late

        class Mean(Extractor):
            name = "mean"
            revision = declared
            features = (Feature("mean", (1,), "float32"),)

            def load(self, context: Any) -> None:
                self.revision = late

            def extract(self, frames: Sequence[Frame]) -> list[Mapping[str, Any]]:
                return [{"mean": np.array([frame.pixels.mean()], np.float32)} for frame in frames]

        return [Mean()]


def test_a_report_names_the_extracted_features_that_it_rests_on(make_host: MakeHost) -> None:
    plain = [PlainCategorizer(name, lambda _: Matches(), frozenset(needs)) for name, needs in NEEDS.items()]
    host = make_host(extra=(("mine", Extracting(*plain)),))
    expected = {"of_mean": "1 (mean 7)", "of_embedding": "1", "of_nothing": "1"}
    reports = host.submit([make_frame()]).result(60).reports
    assert {each.categorizer: each.revision for each in reports if each.categorizer in expected} == expected
    assert {name: revision for name, revision in host.revisions().items() if name in expected} == expected
    assert {name: (each.plugin, each.revision) for name, each in host.features.items()} == {
        "embedding": ("", ""),
        "mean": ("mine", "7"),
    }


def test_an_extractor_whose_revision_changes_while_it_loads_is_refused(make_host: MakeHost) -> None:
    host = make_host(extra=(("mine", Extracting(late="8")),))
    assert "mean" not in host.submit([make_frame()]).result(60).features[0]
    (said,) = [item.reason for plugin in host.statuses() for item in plugin.objects if item.name == "mean"]
    assert "its revision changed from '7' to '8' while it was loaded" in said


def test_an_encoder_whose_features_change_while_it_loads_is_refused(make_host: MakeHost, tmp_path: Path) -> None:
    class Growing(FakeEncoder):
        def load(self, context: Any) -> None:
            self.dim = 65
            self.features = (Feature(EMBEDDING, (65,)),)

    host = make_host(extra=extra(encoder=Growing()), encoder="mine")
    with pytest.raises(PluginError, match="features changed"):
        host.start()


def test_starting_with_an_encoder_that_cannot_be_loaded_says_why_and_loads_the_others(make_host: MakeHost) -> None:
    class Weightless(FakeEncoder):
        def load(self, context: Any) -> None:
            raise OSError("no weights here")

    host = make_host(extra=extra(PlainCategorizer("plain", brightness), encoder=Weightless()), encoder="mine")
    with pytest.raises(PluginError, match=r"could not be loaded: .*no weights here"):
        host.start()
    mine = next(each for each in host.statuses() if each.name == "mine")
    assert [item.state for item in mine.objects] == ["quarantined", "ready"]


def test_start_loads_everything_and_statuses_say_so(make_host: MakeHost) -> None:
    host = make_host()
    states = {each.name: [item.state for item in each.objects] for each in host.statuses()}
    assert states["fake"] == ["idle", "idle"]
    host.start()
    fake = next(each for each in host.statuses() if each.name == "fake")
    assert [(item.kind, item.state) for item in fake.objects] == [("encoder", "ready"), ("categorizer", "ready")]
    assert fake.objects[0].runtime == "numpy"


def test_decoding_is_told_what_every_object_wants_to_see(make_host: MakeHost) -> None:
    host = make_host(extra=extra(PlainCategorizer("big", lambda _: Matches(), needs=Frames(min_side=300))))
    assert host.min_side == 300
    assert host.views == (FakeEncoder.view,)
    assert host.features[EMBEDDING].feature.shape == (64,)


class Prompt:
    """A lane that has answered by the time it was given something to do, as any may have on busy cores."""

    def __init__(self, name: str, needs: frozenset[str] = frozenset()) -> None:
        self.name, self.needs = name, needs
        self.gives = (name,)
        self.revision = self.family = "1"
        self.asked = 0

    def put(self, jobs: Sequence[Job]) -> None:
        self.asked += len(jobs)
        for job in jobs:
            said = Matches((Match("seen", 0.9),)) if self.needs else {self.name: np.ones(1, np.float32)}
            job.settle(said, None)


def test_each_categorizer_is_asked_once_however_early_the_extractors_answer() -> None:
    extractor, one, other = Prompt("size"), Prompt("one", frozenset({"size"})), Prompt("other", frozenset({"size"}))
    lanes: Any = [one, other]
    begun = Pass(
        frames=[make_frame()],
        features=[{}],
        encoder=cast("Any", extractor),
        given={"size"},
        categorizers=lanes,
        done=lambda: None,
    )
    begun.begin([cast("Any", extractor)])
    assert [len(report.matches) for report in begun.future.result(0).reports] == [1, 1]
    assert (one.asked, other.asked) == (1, 1)


def test_a_plugin_cannot_change_what_the_others_look_at(make_host: MakeHost) -> None:
    def paint(item: Item) -> Matches:
        item.frame.pixels[:] = 0  # type: ignore[union-attr]
        return Matches()

    def erase(item: Item) -> Matches:
        item.features["size"][:] = 0
        return Matches()

    painter = PlainCategorizer("painter", paint)
    eraser = PlainCategorizer("eraser", erase, needs=frozenset({"size"}))
    misbehaving = ("misbehaving", "misbehaving_plugin")
    host = make_host(extra=(*extra(painter, eraser), misbehaving), plugins={"misbehaving": {"isolate": False}})
    frame = make_frame("red")
    analysis = host.submit([frame]).result(60)
    reports = {each.categorizer: each for each in analysis.reports}
    assert [reports[name].status for name in ("painter", "eraser", "fake")] == ["failed", "failed", "ok"]
    assert "read-only" in reports["painter"].reason
    assert analysis.features[0]["size"].tolist() == [64, 64]
    assert frame.pixels.max() > 0


def test_explanations_hold_plain_values_only(make_host: MakeHost) -> None:
    class Explaining(PlainCategorizer):
        def explain(self, item: Item, label: Label) -> Mapping[str, Any]:
            return {"score": np.float32(0.5), "rows": np.arange(3), "label": label}

    host = make_host(extra=extra(Explaining("why", lambda _: Matches(), needs=frozenset({EMBEDDING}))))
    features = host.submit([make_frame()]).result(60).features[0]
    assert host.explain("why", features, "what") == {"score": 0.5, "rows": [0, 1, 2], "label": {"id": "what"}}
