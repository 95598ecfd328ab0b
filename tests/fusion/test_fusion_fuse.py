"""Fusing reports."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsin import Match, Report
from opsin.fusion import FLOOR, Fused, fuse, log_odds, unjudged
from opsin.model import ReportStatus


def report(
    categorizer: str, scores: dict[str, float], *, family: str = "", status: ReportStatus = "ok", frame: int = 0
) -> Report:
    matches = tuple(Match(label, score, frame=frame) for label, score in scores.items())
    return Report(categorizer=categorizer, revision="1", family=family or categorizer, status=status, matches=matches)


def score_of(fused: list[Fused], label: str) -> float:
    return next(entry.score for entry in fused if entry.label == label)


SCORES = st.floats(0.0, 1.0)
INSIDE = st.floats(0.001, 0.999)
REPORTS = st.lists(
    st.builds(
        report,
        st.sampled_from(["a", "b", "c", "d"]),
        st.dictionaries(st.sampled_from(["dog", "cat", "car"]), SCORES),
        family=st.sampled_from(["", "one", "two"]),
    ),
    max_size=4,
    unique_by=lambda each: each.categorizer,
)
SCOPES = {"a": {"dog", "cat"}, "b": {"car", "dog"}, "c": {"cat"}}


@settings(deadline=None)
@given(INSIDE)
def test_a_single_score_stays_as_it_is(score: float) -> None:
    assert score_of(fuse([report("a", {"dog": score})]), "dog") == score


@settings(deadline=None)
@given(REPORTS)
def test_fused_scores_lie_between_the_lowest_and_the_highest_source(reports: list[Report]) -> None:
    for entry in fuse(reports, scopes=SCOPES):
        scores = [source.score for source in entry.sources]
        assert min(scores) - 0.001 <= entry.score <= max(scores) + 0.001
        assert 0 <= entry.score <= 1


@settings(deadline=None)
@given(REPORTS)
def test_the_sources_are_enough_to_compute_the_score_again(reports: list[Report]) -> None:
    for entry in fuse(reports, scopes=SCOPES):
        assert math.isclose(sum(source.weight for source in entry.sources), 1)
        pooled = sum(source.weight * log_odds(source.score) for source in entry.sources)
        assert math.isclose(log_odds(entry.score), pooled, abs_tol=1e-9)


@settings(deadline=None)
@given(REPORTS.flatmap(lambda reports: st.tuples(st.just(reports), st.permutations(reports))))
def test_the_order_of_reports_does_not_matter(both: tuple[list[Report], list[Report]]) -> None:
    reports, shuffled = both
    one, other = fuse(reports, scopes=SCOPES), fuse(shuffled, scopes=SCOPES)
    assert [entry.label for entry in one] == [entry.label for entry in other]
    for first, second in zip(one, other, strict=True):
        assert math.isclose(first.score, second.score, abs_tol=1e-12)


@settings(deadline=None)
@given(INSIDE, INSIDE, INSIDE)
def test_a_higher_score_never_lowers_the_result(one: float, other: float, third: float) -> None:
    low, high = sorted((one, other))
    reports = [report("b", {"dog": third}), report("c", {"dog": third}, family="b")]
    results = [score_of(fuse([report("a", {"dog": each}), *reports]), "dog") for each in (low, high)]
    assert results[0] <= results[1] + 1e-12


@settings(deadline=None)
@given(INSIDE, INSIDE)
def test_two_reports_of_one_family_count_once(one: float, other: float) -> None:
    alone = fuse([report("a", {"dog": one}, family="net"), report("b", {"dog": other})])
    twice = fuse(
        [
            report("a", {"dog": one}, family="net"),
            report("a2", {"dog": one}, family="net"),
            report("b", {"dog": other}),
        ]
    )
    assert math.isclose(score_of(alone, "dog"), score_of(twice, "dog"), abs_tol=1e-12)


def test_two_families_meet_in_the_mean_of_their_log_odds() -> None:
    fused = fuse([report("a", {"dog": 0.9}), report("b", {"dog": 0.5})])
    assert score_of(fused, "dog") == pytest.approx(0.75)  # log-odds of 0.9 are those of 9:1; half of it is 3:1


def test_weights_shift_the_mean_and_zero_leaves_a_categorizer_out() -> None:
    reports = [report("a", {"dog": 0.9}), report("b", {"dog": 0.2})]
    even = score_of(fuse(reports), "dog")
    assert score_of(fuse(reports, weights={"a": 3.0}), "dog") > even
    assert score_of(fuse(reports, weights={"b": 0.0}), "dog") == 0.9


def test_silence_counts_a_little_against_a_label_that_the_categorizer_knows() -> None:
    reports = [report("zero_shot", {"dog": 0.6}), report("objects", {"cat": 0.9})]
    unknown = score_of(fuse(reports, scopes={"objects": {"cat"}}), "dog")
    known = fuse(reports, scopes={"objects": {"cat", "dog"}})
    assert unknown == 0.6
    assert 0.3 < score_of(known, "dog") < 0.5
    silent = known[-1].sources[-1]
    assert (silent.categorizer, silent.silent, silent.score) == ("objects", True, FLOOR)


def test_silence_inside_a_family_counts_like_a_score() -> None:
    reports = [report("zero_shot", {"submarine": 0.8}, family="net"), report("objects", {"rocket": 0.9}, family="net")]
    fused = fuse(reports, scopes={"objects": {"rocket", "submarine"}})
    assert score_of(fused, "submarine") == pytest.approx(0.3145, abs=1e-4)


def test_silence_does_not_drown_a_clear_score() -> None:
    reports = [report("objects", {"golden_retriever": 0.95}), report("zero_shot", {"dog": 0.8})]
    fused = fuse(reports, scopes={"zero_shot": {"golden_retriever", "dog"}, "objects": {"golden_retriever", "dog"}})
    assert score_of(fused, "golden_retriever") > 0.8
    assert score_of(fused, "dog") > 0.5


def test_failed_and_declined_reports_say_nothing() -> None:
    reports = [
        report("a", {"dog": 0.9}),
        report("b", {"dog": 0.1}, status="failed"),
        report("c", {}, status="declined"),
    ]
    scopes = {"a": {"dog"}, "b": {"dog"}, "c": {"dog"}}
    assert score_of(fuse(reports, scopes=scopes), "dog") == 0.9
    assert fuse(reports[1:], scopes=scopes) == []


def test_synonyms_are_fused_as_one_label() -> None:
    reports = [report("a", {"automobile": 0.9, "car": 0.2}), report("b", {"car": 0.9})]
    fused = fuse(reports, synonyms={"automobile": "car"})
    assert [entry.label for entry in fused] == ["car"]
    assert fused[0].score == pytest.approx(0.9)


def test_the_frame_of_the_evidence_is_kept() -> None:
    assert fuse([report("a", {"dog": 0.9}, frame=7)])[0].sources[0].frame == 7


def test_who_did_not_judge_is_told_with_the_reason() -> None:
    reports = [
        report("zero_shot", {"dog": 0.9}),
        Report(categorizer="faces", revision="1", family="faces", status="declined", reason="too small"),
        Report(categorizer="broken", revision="1", family="broken", status="failed"),
    ]
    scopes = {"zero_shot": {"dog", "cat"}, "faces": {"smile", "dog"}, "broken": {"dog"}, "absent": {"dog", "logo"}}
    declines = {"zero_shot": {"violence": "the encoder cannot see it"}}

    def reasons(label: str) -> dict[str, str]:
        return unjudged(label, reports, scopes=scopes, declines=declines)

    assert reasons("dog") == {"absent": "it has not reported", "broken": "it failed", "faces": "too small"}
    assert reasons("violence") == {"zero_shot": "the encoder cannot see it"}
    assert reasons("cat") == {}


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 1)), max_size=12), st.floats(0, 1))
@settings(deadline=None)
def test_leaving_out_what_cannot_pass_changes_nothing_above(scores: list[tuple[str, float]], bar: float) -> None:
    reports = [
        Report(categorizer=f"c{n}", revision="1", family=f"f{n % 2}", status="ok", matches=(Match(label, score),))
        for n, (label, score) in enumerate(scores)
    ]
    everything = [entry for entry in fuse(reports) if entry.score > max(bar, 0.001) + 1e-9]
    assert [entry for entry in fuse(reports, above=bar) if entry.score > max(bar, 0.001) + 1e-9] == everything
