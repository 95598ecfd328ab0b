"""How zero-shot tagging scores labels: each by itself, against its background, and so that it can be recomputed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from opsin import Categorizer, Item, Label, Matches, Vocabulary
from opsin.errors import PluginUnavailable, UnknownName
from opsin.testing import COLOURS, CategorizerContract, FakeContext, FakeEncoder, make_frame
from opsin.testing.pictures import Shape
from opsin_zero_shot import ZeroShotConfig, opsin_categorizers
from opsin_zero_shot.categorizer import LEAST_SCORE, ZeroShot
from opsin_zero_shot.matrix import MOST_MATRICES
from opsin_zero_shot.prompts import BACKGROUND, TEMPLATES, background_texts, templates_for
from opsin_zero_shot.texts import MOST_ENCODERS

NAMES = ("red", "green", "blue", "yellow", "purple", "orange")


class PhotographedEncoder(FakeEncoder):
    """The fake encoder with background pictures: one of each colour, and as many of mixed ones."""

    space = "fake:photographed"

    def background(self) -> NDArray[np.float32]:
        shapes: tuple[Shape, ...] = ("square", "circle", "triangle")
        frames = [make_frame(name, shape) for name in COLOURS for shape in shapes]
        return np.stack([features["embedding"] for features in self.extract(frames)]).astype(np.float32)


def vocabulary(*labels: Label) -> Vocabulary:
    return Vocabulary(name="colours", labels=labels or tuple(Label(id=name) for name in NAMES))


def loaded(
    tmp_path: Path, words: Vocabulary | None = None, encoder: FakeEncoder | None = None, **config: object
) -> ZeroShot:
    (categorizer,) = opsin_categorizers(ZeroShotConfig(**config), [words or vocabulary()])  # type: ignore[arg-type]
    assert isinstance(categorizer, ZeroShot)
    categorizer.load(FakeContext(tmp_path, encoder=encoder or PhotographedEncoder()))
    return categorizer


def picture(colour: str = "red", shape: Shape = "square", encoder: FakeEncoder | None = None) -> Item:
    vector = (encoder or PhotographedEncoder()).extract([make_frame(colour, shape)])[0]["embedding"]
    return Item({"embedding": vector.astype(np.float16).astype(np.float32)})


def scores(categorizer: ZeroShot, item: Item) -> dict[str, float]:
    answer = categorizer.categorize([item])[0]
    assert isinstance(answer, Matches)
    return {match.label: match.score for match in answer.matches}


class TestZeroShotContract(CategorizerContract):
    categorizer = staticmethod(lambda: ZeroShot(vocabulary(), ZeroShotConfig()))


class TestZeroShotContractWithBackground(CategorizerContract):
    categorizer = staticmethod(lambda: ZeroShot(vocabulary(), ZeroShotConfig()))

    def text_encoder(self) -> FakeEncoder:
        return PhotographedEncoder()


@pytest.mark.parametrize("encoder", [FakeEncoder(), PhotographedEncoder()], ids=["texts", "pictures"])
@pytest.mark.parametrize("colour", NAMES[:4])
def test_a_picture_s_own_colour_scores_highest_and_more_than_a_half(
    tmp_path: Path, encoder: FakeEncoder, colour: str
) -> None:
    # every eighth of the few background pictures has the colour: what stands out does so by little
    found = scores(loaded(tmp_path, encoder=encoder, threshold=1.0), picture(colour, encoder=encoder))
    assert max(found, key=found.__getitem__) == colour
    assert found[colour] > 0.5


def test_another_label_changes_no_score(tmp_path: Path) -> None:
    few = vocabulary(*(Label(id=name) for name in NAMES[:3]))
    more = vocabulary(*(Label(id=name) for name in ("purple", "orange", *NAMES)))
    for item in (picture("red"), picture("blue", "circle")):
        before, after = scores(loaded(tmp_path, few), item), scores(loaded(tmp_path, more), item)
        assert before == {name: pytest.approx(after[name], abs=1e-5) for name in before}


def test_a_label_that_the_encoder_cannot_see_is_declined_and_never_scored(tmp_path: Path) -> None:
    words = vocabulary(Label(id="red", unseen=("fake",)), Label(id="blue", unseen=("another",)), Label(id="green"))
    categorizer = loaded(tmp_path, words)
    assert set(categorizer.declines) == {"red"}
    assert "red" not in scores(categorizer, picture("red"))
    assert "declined" in categorizer.explain(picture("red"), words.by_id["red"])


def test_what_is_said_of_one_space_goes_before_what_is_said_of_its_family(tmp_path: Path) -> None:
    measured = Label(id="red", unseen=("fake",), threshold={"fake:photographed": 1.0})
    assert loaded(tmp_path, vocabulary(measured)).declines == {}


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        ({"fake:photographed": 9.0, "fake": 8.0, "default": 7.0}, 9.0),
        ({"fake": 8.0, "default": 7.0}, 8.0),
        ({"default": 7.0, "another": 1.0}, 7.0),
        ({"another": 1.0}, 5.0),
    ],
)
def test_the_threshold_is_the_one_nearest_to_the_encoder(
    tmp_path: Path, threshold: dict[str, float], expected: float
) -> None:
    label = Label(id="red", threshold=threshold)
    categorizer = loaded(tmp_path, vocabulary(label), threshold=5.0)
    assert categorizer.explain(picture("red"), label)["threshold"] == expected


def test_a_score_is_a_half_where_the_margin_is_at_the_threshold(tmp_path: Path) -> None:
    margin = loaded(tmp_path).explain(picture("red"), Label(id="red"))["margin"]
    label = Label(id="red", threshold={"default": margin})
    assert scores(loaded(tmp_path, vocabulary(label)), picture("red"))["red"] == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize("encoder", [FakeEncoder(), PhotographedEncoder()], ids=["texts", "pictures"])
def test_what_explain_says_is_enough_to_compute_the_score_again(tmp_path: Path, encoder: FakeEncoder) -> None:
    label = Label(id="red", prompts=("red", "a red thing"), negatives=("orange", "pink"), threshold={"fake": 0.7})
    categorizer = loaded(tmp_path, vocabulary(label, Label(id="blue")), encoder=encoder)
    item = picture("red", "circle", encoder)
    told = categorizer.explain(item, label)

    def standing(texts: list[str], part: dict[str, float]) -> float:
        row = encoder.encode_texts(texts).mean(axis=0)
        similarity = float(item.features["embedding"] @ row / np.linalg.norm(row))
        assert similarity == pytest.approx(part["similarity"], abs=1e-5)
        return (part["similarity"] - part["zero"]) / part["background_spread"]

    own = standing(["red", "a red thing"], told["prompts"])
    rival = max(standing([text], part) for text, part in zip(label.negatives, told["negatives"], strict=True))
    margin = own - max(0.0, rival - own)
    score = 1 / (1 + math.exp(-told["slope"] * (margin - told["threshold"])))
    assert score == pytest.approx(told["score"], abs=1e-4)
    assert score == pytest.approx(scores(categorizer, item)["red"], abs=1e-4)


def test_a_look_alike_that_fits_better_takes_the_difference_away(tmp_path: Path) -> None:
    plain, wary = Label(id="red"), Label(id="red", negatives=("blue",))
    told = {
        name: (
            loaded(tmp_path, vocabulary(plain)).explain(picture(name), plain)["margin"],
            loaded(tmp_path, vocabulary(wary)).explain(picture(name), wary)["margin"],
        )
        for name in ("red", "blue")
    }
    assert told["red"][0] == pytest.approx(told["red"][1], abs=1e-4)
    assert told["blue"][1] < told["blue"][0] - 0.5


def test_without_background_pictures_labels_rank_as_their_similarities_do(tmp_path: Path) -> None:
    encoder = FakeEncoder()
    words = vocabulary(*(Label(id=name, prompts=(name,)) for name in COLOURS))
    categorizer = loaded(tmp_path, words, encoder)
    texts = encoder.encode_texts([label.id for label in words.labels])
    for colour in COLOURS:
        item = picture(colour, "triangle", encoder)
        expected = texts @ item.features["embedding"]
        margins = [categorizer.explain(item, label)["margin"] for label in words.labels]
        assert list(np.argsort(margins, kind="stable")) == list(np.argsort(expected, kind="stable"))


def test_faint_labels_are_left_out_and_however_many_fit_are_named_best_first(tmp_path: Path) -> None:
    words = vocabulary(*(Label(id=f"red_{number}", prompts=("red",)) for number in range(90)), Label(id="blue"))
    answer = loaded(tmp_path, words).categorize([picture("red")])[0]
    assert isinstance(answer, Matches)
    assert {match.label for match in answer.matches} == {f"red_{number}" for number in range(90)}
    found = [match.score for match in answer.matches]
    assert found == sorted(found, reverse=True)
    assert min(found) >= LEAST_SCORE


def test_nothing_to_judge_gives_no_answers(tmp_path: Path) -> None:
    assert loaded(tmp_path).categorize([]) == []


def test_a_vocabulary_of_unseen_labels_finds_nothing(tmp_path: Path) -> None:
    words = vocabulary(Label(id="red", unseen=("fake",)))
    assert scores(loaded(tmp_path, words), picture("red")) == {}


def test_an_empty_vocabulary_finds_nothing(tmp_path: Path) -> None:
    assert scores(loaded(tmp_path, Vocabulary(name="empty")), picture("red")) == {}


class CountingEncoder(PhotographedEncoder):
    """Notes what it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.backgrounds = 0

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += texts
        return super().encode_texts(texts)

    def background(self) -> NDArray[np.float32]:
        self.backgrounds += 1
        return super().background()


def test_texts_are_encoded_once_for_each_encoder_and_vocabulary(tmp_path: Path) -> None:
    first, second = CountingEncoder(), CountingEncoder()
    before = scores(loaded(tmp_path, encoder=first), picture("red"))
    assert first.asked
    assert scores(loaded(tmp_path, encoder=second), picture("red")) == before
    assert (second.asked, second.backgrounds) == ([], 0)


def test_an_edited_label_has_only_its_own_new_prompts_encoded(tmp_path: Path) -> None:
    loaded(tmp_path, vocabulary(Label(id="red"), Label(id="blue", prompts=("blue", "navy"))), CountingEncoder())
    encoder = CountingEncoder()
    edited = vocabulary(Label(id="red"), Label(id="blue", prompts=("blue", "sky"), negatives=("pink",)), Label(id="x"))
    loaded(tmp_path, edited, encoder)
    assert encoder.asked == ["sky", *(template.format("x") for template in TEMPLATES), "pink"]
    assert encoder.backgrounds == 0


def test_what_changes_no_text_asks_the_encoder_for_nothing(tmp_path: Path) -> None:
    loaded(tmp_path, vocabulary(Label(id="red"), Label(id="blue")), CountingEncoder())
    encoder = CountingEncoder()
    loaded(tmp_path, vocabulary(Label(id="red", threshold={"default": 1.5}, parents=())), encoder)
    assert (encoder.asked, encoder.backgrounds) == ([], 0)


def test_the_labels_that_an_edit_leaves_alone_score_as_before_to_the_last_digit(tmp_path: Path) -> None:
    before = loaded(tmp_path, vocabulary(Label(id="red"), Label(id="blue"))).explain(picture("red"), Label(id="red"))
    edited = vocabulary(Label(id="red"), Label(id="blue", prompts=("sky",)))
    assert loaded(tmp_path, edited).explain(picture("red"), Label(id="red")) == before


def test_another_revision_of_the_encoder_has_its_texts_encoded_anew(tmp_path: Path) -> None:
    loaded(tmp_path, encoder=CountingEncoder())
    newer = CountingEncoder()
    newer.revision = "fake-2"
    loaded(tmp_path, encoder=newer)
    assert len(newer.asked) == len(NAMES) * len(TEMPLATES)


@pytest.mark.parametrize("harm", ["truncated", "flipped", "nonsense", "empty", "another shape", "not finite"])
@pytest.mark.parametrize("kind", ["texts", "vectors"])
def test_a_damaged_cache_is_made_again(tmp_path: Path, kind: str, harm: str) -> None:
    before = scores(loaded(tmp_path), picture("red"))
    for path in tmp_path.glob("texts-*.npz" if kind == "texts" else "*.npz"):
        data = bytearray(path.read_bytes())
        if harm == "truncated":
            path.write_bytes(data[:100])
        elif harm == "flipped":
            data[len(data) // 2] ^= 255
            path.write_bytes(data)
        elif harm in {"nonsense", "empty"}:
            path.write_bytes(b"nonsense" if harm == "nonsense" else b"")
        elif path.name.startswith("vectors"):
            with np.load(path) as file:
                arrays = dict(file)
            arrays["rows"] = arrays["rows"][:, :9] if harm == "another shape" else arrays["rows"] * np.float32("nan")
            np.savez(path, **arrays)
        else:
            path.unlink()
    assert scores(loaded(tmp_path), picture("red")) == before
    encoder = CountingEncoder()
    assert scores(loaded(tmp_path, encoder=encoder), picture("red")) == before
    assert encoder.asked == []


def test_the_cache_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opsin_zero_shot.texts.MOST_TEXTS", 30)
    for number in range(MOST_MATRICES + 5):
        loaded(tmp_path, vocabulary(*(Label(id=f"{name}_{number}", prompts=(f"{name} {number}",)) for name in NAMES)))
    assert len(list(tmp_path.glob("texts-*.npz"))) == MOST_MATRICES
    (vectors,) = tmp_path.glob("vectors-*.npz")
    with np.load(vectors, allow_pickle=False) as file:
        assert file["rows"].shape == (30, 64)
    for number in range(MOST_ENCODERS + 2):
        encoder = CountingEncoder()
        encoder.revision = f"fake-{number}"
        loaded(tmp_path, encoder=encoder)
    assert len(list(tmp_path.glob("vectors-*.npz"))) == MOST_ENCODERS
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".npz")] == []


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = scores(loaded(tmp_path), picture("red"))
    folder = tmp_path / "gone"
    assert scores(loaded(folder), picture("red")) == before
    assert "cannot be written" in caplog.text


def test_the_revision_tells_encoder_vocabulary_and_settings(tmp_path: Path) -> None:
    usual = loaded(tmp_path).revision
    assert FakeEncoder.revision in usual
    assert vocabulary().revision in usual
    assert loaded(tmp_path, vocabulary(Label(id="red"))).revision != usual
    assert loaded(tmp_path, threshold=1.0).revision != usual
    assert loaded(tmp_path, templates=("{}",)).revision != usual
    assert loaded(tmp_path).revision == usual


def test_own_templates_are_used(tmp_path: Path) -> None:
    told = loaded(tmp_path, templates=("drawn in {}",)).explain(picture("red"), Label(id="red"))
    assert told["prompts"]["texts"] == ["drawn in red"]


def test_there_is_one_categorizer_for_each_vocabulary() -> None:
    found: list[Categorizer] = list(
        opsin_categorizers(ZeroShotConfig(), [Vocabulary(name="pets"), Vocabulary(name="food")])
    )
    assert [each.id for each in found] == ["zero_shot/pets", "zero_shot/food"]


def test_without_an_encoder_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(PluginUnavailable, match="encoder"):
        ZeroShot(vocabulary(), ZeroShotConfig()).load(FakeContext(tmp_path, encoder=None))


def test_a_label_of_another_vocabulary_cannot_be_explained(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="zebra"):
        loaded(tmp_path).explain(picture("red"), Label(id="zebra"))


def test_the_fixed_texts_are_what_they_should_be() -> None:
    assert len(TEMPLATES) == 7
    assert all(template.count("{}") == 1 for template in TEMPLATES)
    assert len(set(BACKGROUND)) == len(BACKGROUND) > 200
    assert len(background_texts(TEMPLATES)) == len(BACKGROUND)
    assert templates_for("starter") == templates_for("starter:own") == ("{}",)
    assert templates_for("open_clip:anything") == TEMPLATES
