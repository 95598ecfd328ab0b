"""Conformance suites for plugins' objects: inherit, set one attribute, and pytest runs the suite.

These are tests that ship, and the one place outside tests/ where `assert` stands: pytest says what was compared.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import numpy as np
import pytest

from opsin.model import Declined, Matches, Vocabulary
from opsin.plugin import Categorizer, Encoder, Extractor, Frame, Frames, Item
from opsin.plugin.rules import (
    check_answers,
    check_categorizer,
    check_encoder,
    check_explanation,
    check_extractor,
    check_features,
    check_rows,
    label_ids,
)
from opsin.testing.context import FakeContext
from opsin.testing.fakes import FakeEncoder
from opsin.testing.pictures import COLOURS, make_noise, make_picture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from opsin.plugin import TextEncoder


class _Contract:
    """What the suites share. ``config`` is given to the object as its plugin's settings, where it has any."""

    config: Any = None

    def text_encoder(self) -> TextEncoder | None:
        """Return the encoder that the context lends. Override it where yours needs another one."""
        return FakeEncoder()

    def context(self, cache: Path) -> FakeContext:
        """Return the context that objects are loaded with."""
        return FakeContext(cache, config=self.config, encoder=self.text_encoder())

    def frames(self, least: int) -> list[Frame]:
        """Return pictures to try: colours, noise, a plain one and shapes that are not square, ``least`` px and more."""
        side = max(least, 32)
        pictures = [make_picture(colour, "circle", side) for colour in list(COLOURS)[:3]]
        pictures += [make_noise(seed, side) for seed in range(2)]
        pictures += [make_noise(9, (side * 3, side)), make_noise(10, (side, side * 2))]
        pictures += [np.zeros((side, side, 3), np.uint8), np.full((side, side, 3), 255, np.uint8)]
        return [Frame(pixels) for pixels in pictures]


class ExtractorContract(_Contract):
    """The suite for extractors. Set ``extractor`` to what makes a new one.

    ``class TestMine(ExtractorContract): extractor = staticmethod(MyExtractor)``
    """

    extractor: ClassVar[Callable[[], Extractor]]
    tolerance: ClassVar[float] = 2e-3
    """How far a feature may differ with the size of the batch, after rounding to its stored dtype."""

    def make(self) -> Extractor:
        return type(self).extractor()

    @pytest.fixture
    def loaded(self, tmp_path: Path) -> Iterator[Extractor]:
        extractor = self.make()
        extractor.load(self.context(tmp_path))
        yield extractor
        extractor.close()

    def _features(self, extractor: Extractor, frames: Sequence[Frame]) -> list[dict[str, NDArray[Any]]]:
        return check_features(extractor.extract(frames), extractor.features, len(frames))

    def test_its_attributes_keep_the_contract_before_anything_is_loaded(self) -> None:
        check_extractor(self.make())

    def test_its_attributes_keep_the_contract_after_loading(self, loaded: Extractor) -> None:
        check_extractor(loaded)
        assert loaded.features == self.make().features
        if not isinstance(loaded, Encoder):
            assert loaded.revision == self.make().revision, "stored features are compared with it before load()"

    def test_it_gives_every_feature_for_every_frame(self, loaded: Extractor) -> None:
        self._features(loaded, self.frames(loaded.min_side))

    def test_it_takes_a_single_frame(self, loaded: Extractor) -> None:
        self._features(loaded, self.frames(loaded.min_side)[:1])

    def test_it_takes_a_picture_smaller_than_it_wants(self, loaded: Extractor) -> None:
        self._features(loaded, [Frame(make_noise(3, 8)), Frame(make_noise(4, (1, 1)))])

    def test_the_same_picture_gives_the_same_features_in_any_batch(self, loaded: Extractor) -> None:
        together = self._features(loaded, self.frames(loaded.min_side))
        for frame, expected in zip(self.frames(loaded.min_side), together, strict=True):
            alone = self._features(loaded, [frame])[0]
            for name, value in expected.items():
                np.testing.assert_allclose(
                    alone[name].astype(np.float64), value.astype(np.float64), atol=self.tolerance, rtol=self.tolerance
                )

    def test_it_leaves_the_pixels_as_they_are(self, loaded: Extractor) -> None:
        frames = self.frames(loaded.min_side)
        before = [frame.pixels.copy() for frame in frames]
        loaded.extract(frames)
        for frame, pixels in zip(frames, before, strict=True):
            np.testing.assert_array_equal(frame.pixels, pixels)

    def test_its_module_is_importable_by_name(self) -> None:
        _check_importable(self.make())


class EncoderContract(ExtractorContract):
    """The suite for encoders. Set ``encoder`` to what makes a new one.

    ``class TestMine(EncoderContract): encoder = staticmethod(MyEncoder)``
    """

    encoder: ClassVar[Callable[[], Encoder]]
    least_difference: ClassVar[float] = 1e-3
    """How far the vectors of two different pictures are apart at least, in one dimension. 0 only where the weights are
    random: such networks give nearly the same vector to every picture."""
    texts: ClassVar[Sequence[str]] = (
        "a photo of a dog",
        "red",
        "two people dancing at a party",
        "",
        "ü 漢字 🙂",
        "a " * 300,
        "x" * 100_000,
    )
    """Texts to try: they need not mean anything to the encoder, but none may break it."""

    def make(self) -> Encoder:
        return type(self).encoder()

    def context(self, cache: Path) -> FakeContext:
        return FakeContext(cache, config=self.config, encoder=None)

    def test_its_attributes_keep_the_contract_of_encoders(self, loaded: Encoder) -> None:
        check_encoder(self.make())
        check_encoder(loaded)

    def test_different_pictures_have_different_vectors(self, loaded: Encoder) -> None:
        """Pictures of one colour, patches and plain grounds: no encoder that sees anything gives two the same row."""
        frames = self.frames(loaded.min_side)
        rows = np.stack([row["embedding"].astype(np.float64) for row in self._features(loaded, frames)])
        alike = [
            (first, second)
            for first, second in combinations(range(len(rows)), 2)
            if float(np.abs(rows[first] - rows[second]).max()) <= self.least_difference
        ]
        assert alike == [], "pairs of pictures with one vector, by their number in frames()"

    def test_texts_become_unit_rows(self, loaded: Encoder) -> None:
        check_rows(loaded.encode_texts(list(self.texts)), len(self.texts), loaded.dim, what="encode_texts()")

    def test_no_texts_become_no_rows(self, loaded: Encoder) -> None:
        check_rows(loaded.encode_texts([]), 0, loaded.dim, what="encode_texts()")

    def test_a_text_has_the_same_vector_in_any_batch(self, loaded: Encoder) -> None:
        together = loaded.encode_texts(list(self.texts))
        for text, row in zip(self.texts, together, strict=True):
            cosine = float(loaded.encode_texts([text])[0] @ row)
            assert cosine == pytest.approx(1, abs=1e-3), text

    def test_different_texts_have_different_vectors(self, loaded: Encoder) -> None:
        first, second = loaded.encode_texts(list(self.texts[:2]))
        assert float(first @ second) < 0.9999

    def test_the_background_is_unit_rows(self, loaded: Encoder) -> None:
        check_rows(loaded.background(), None, loaded.dim, what="background()")


class CategorizerContract(_Contract):
    """The suite for categorizers. Set ``categorizer`` to what makes a new one.

    ``class TestMine(CategorizerContract): categorizer = staticmethod(MyCategorizer)``

    Items for a categorizer that needs ``embedding`` come from ``text_encoder()``; override ``items`` where it needs
    other features.
    """

    categorizer: ClassVar[Callable[[], Categorizer]]
    tolerance: ClassVar[float] = 1e-3
    """How far a score may differ with the size of the batch."""

    def make(self) -> Categorizer:
        return type(self).categorizer()

    @pytest.fixture
    def loaded(self, tmp_path: Path) -> Iterator[Categorizer]:
        categorizer = self.make()
        categorizer.load(self.context(tmp_path))
        yield categorizer
        categorizer.close()

    def items(self, categorizer: Categorizer) -> list[Item]:
        """Return items to try, as the host would make them."""
        if isinstance(categorizer.needs, Frames):
            return [Item(features={}, frame=frame) for frame in self.frames(categorizer.needs.min_side)]
        encoder = self.text_encoder()
        if categorizer.needs != {"embedding"} or not isinstance(encoder, Encoder):
            pytest.fail(f"override items(): this categorizer needs {sorted(categorizer.needs)}")
        rows = check_features(encoder.extract(frames := self.frames(32)), encoder.features, len(frames))
        return [Item(features={"embedding": row["embedding"].astype(np.float32)}) for row in rows]

    def _answers(self, categorizer: Categorizer, items: Sequence[Item]) -> list[Matches | Declined]:
        return check_answers(categorizer.categorize(items), label_ids(categorizer), len(items))

    def test_its_attributes_keep_the_contract_before_anything_is_loaded(self) -> None:
        check_categorizer(self.make())

    def test_its_attributes_keep_the_contract_after_loading(self, loaded: Categorizer) -> None:
        check_categorizer(loaded)
        fresh = self.make()
        assert (loaded.id, loaded.needs) == (fresh.id, fresh.needs)

    def test_it_answers_every_item_within_its_vocabulary(self, loaded: Categorizer) -> None:
        self._answers(loaded, self.items(loaded))

    def test_it_takes_a_single_item(self, loaded: Categorizer) -> None:
        self._answers(loaded, self.items(loaded)[:1])

    def test_an_item_has_the_same_scores_in_any_batch_and_order(self, loaded: Categorizer) -> None:
        together = self._answers(loaded, self.items(loaded))
        backwards = self._answers(loaded, self.items(loaded)[::-1])[::-1]
        for item, first, second in zip(self.items(loaded), together, backwards, strict=True):
            alone = self._answers(loaded, [item])[0]
            assert _scores(second) == pytest.approx(_scores(first), abs=self.tolerance)
            assert _scores(alone) == pytest.approx(_scores(first), abs=self.tolerance)

    def test_it_leaves_its_items_as_they_are(self, loaded: Categorizer) -> None:
        items, untouched = self.items(loaded), self.items(loaded)
        self._answers(loaded, items)
        for item, before in zip(items, untouched, strict=True):
            assert set(item.features) == set(before.features)
            for name, value in before.features.items():
                np.testing.assert_array_equal(item.features[name], value)
            if before.frame is not None:
                assert item.frame is not None
                np.testing.assert_array_equal(item.frame.pixels, before.frame.pixels)

    def test_its_answers_can_be_stored_as_json(self, loaded: Categorizer) -> None:
        for answer in self._answers(loaded, self.items(loaded)):
            for match in answer.matches if isinstance(answer, Matches) else ():
                msgspec.json.encode((match.label, float(match.score), match.attributes))

    def test_it_explains_each_label_with_plain_values(self, loaded: Categorizer) -> None:
        item = self.items(loaded)[0]
        labels = loaded.vocabulary.labels[:3] if isinstance(loaded.vocabulary, Vocabulary) else ()
        for label in labels:
            check_explanation(loaded.explain(item, label))

    def test_labels_that_it_declines_are_in_its_vocabulary_and_never_scored(self, loaded: Categorizer) -> None:
        known = label_ids(loaded)
        assert known is None or set(loaded.declines) <= known
        for answer in self._answers(loaded, self.items(loaded)):
            assert not set(_scores(answer)) & set(loaded.declines)

    def test_its_module_is_importable_by_name(self) -> None:
        _check_importable(self.make())


def _scores(answer: Matches | Declined) -> dict[str, float]:
    """Return the scores by label; a label that is left out and one that scores 0 mean the same."""
    matches = answer.matches if isinstance(answer, Matches) else ()
    return {match.label: float(match.score) for match in matches}


def _check_importable(item: object) -> None:
    """Isolated objects are built again in another process, which imports their module."""
    module = inspect.getmodule(type(item))
    assert module is not None
    assert sys.modules[module.__name__] is module
