"""The kit's own fakes pass the suites that it ships, and mean what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsin.testing import (
    COLOURS,
    CategorizerContract,
    EncoderContract,
    FakeCategorizer,
    FakeContext,
    FakeEncoder,
    make_frame,
)


class TestFakeEncoder(EncoderContract):
    encoder = staticmethod(FakeEncoder)


class TestSmallFakeEncoder(EncoderContract):
    encoder = staticmethod(lambda: FakeEncoder(8))


class TestFakeCategorizer(CategorizerContract):
    categorizer = staticmethod(FakeCategorizer)


@pytest.mark.parametrize("shape", ["square", "circle", "triangle", "cross", "ring", "bar", "full"])
def test_a_colour_word_is_nearest_to_pictures_of_that_colour(shape: str) -> None:
    encoder = FakeEncoder()
    texts = encoder.encode_texts([f"a photo of a {colour} thing" for colour in COLOURS])
    for number, colour in enumerate(COLOURS):
        row = encoder.extract([make_frame(colour, shape)])[0]["embedding"]  # type: ignore[arg-type]
        assert int((texts @ row).argmax()) == number


def test_pictures_of_one_colour_are_nearer_than_pictures_of_two() -> None:
    rows = [
        each["embedding"]
        for each in FakeEncoder().extract(
            [make_frame("red", "circle"), make_frame("red", "square"), make_frame("blue", "circle")]
        )
    ]
    assert rows[0] @ rows[1] > rows[0] @ rows[2]
    assert rows[0] @ rows[1] < 1 - 1e-4


def test_the_fake_categorizer_scores_the_colour_that_it_sees(tmp_path: Path) -> None:
    encoder, categorizer = FakeEncoder(), FakeCategorizer()
    categorizer.load(FakeContext(tmp_path, encoder=encoder))
    items = TestFakeCategorizer().items(categorizer)
    answers = categorizer.categorize(items)
    best = [max(each.matches, key=lambda match: match.score) for each in answers[:3]]  # type: ignore[union-attr]
    assert [match.label for match in best] == list(COLOURS)[:3]
    assert all(match.score > 0.9 for match in best)
