"""What the quality plugin says about blur, exposure, resolution and blank pictures."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import skimage
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from opsin import Frame, Item, Label, Matches
from opsin.testing import CategorizerContract, make_noise
from opsin_quality import Config, opsin_categorizers, opsin_manifest
from opsin_quality.categorizer import SIDE, Quality, highlights_of, laplacian, luma_of, score

USUAL = Config()
DEMO = ("astronaut", "chelsea", "coffee", "rocket", "retina", "immunohistochemistry", "hubble_deep_field")


class TestQualityContract(CategorizerContract):
    categorizer = staticmethod(lambda: Quality(Config()))


def scene(seed: int = 1, width: int = 480, height: int = 320) -> NDArray[np.uint8]:
    """Return a picture with edges and fine texture, mid-grey on average."""
    texture = np.random.default_rng(seed).normal(0, 12, (height, width, 1))
    return np.clip(make_noise(seed, (width, height)) * 0.7 + 40 + texture, 0, 255).astype(np.uint8)


def blur(pixels: NDArray[np.uint8], radius: float) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


def scores(pixels: NDArray[np.uint8], config: Config = USUAL) -> dict[str, float]:
    return frame_scores(Frame(pixels), config)


def frame_scores(frame: Frame, config: Config = USUAL) -> dict[str, float]:
    answer = Quality(config).categorize([Item({}, frame)])[0]
    assert isinstance(answer, Matches)
    return {match.label: match.score for match in answer.matches}


def test_a_sharp_well_lit_picture_has_no_fault() -> None:
    assert max(scores(scene()).values()) < 0.5


def test_the_more_a_picture_is_blurred_the_higher_its_score() -> None:
    found = [scores(blur(scene(), radius))["blurred"] for radius in (0.5, 1, 2, 4)]
    assert found == sorted(found)
    assert found[-1] > 0.5


@pytest.mark.parametrize("name", DEMO)
def test_photos_are_sharp_and_their_blurred_copies_are_not(name: str) -> None:
    photo = np.ascontiguousarray(getattr(skimage.data, name)()[..., :3])
    assert scores(photo)["blurred"] < 0.1
    assert scores(photo)["blank"] < 0.1
    assert scores(blur(photo, min(photo.shape[:2]) / 128))["blurred"] > 0.8


def test_a_darkened_picture_is_underexposed_and_a_dark_one_with_highlights_is_not() -> None:
    assert scores((scene() * 0.2).astype(np.uint8))["underexposed"] > 0.5
    night = np.zeros((300, 400, 3), np.uint8)
    night[::10, ::5] = 255
    assert scores(night)["underexposed"] < 0.5


def test_a_burnt_out_picture_is_overexposed() -> None:
    assert scores(np.clip(scene() * 2.5 + 60, 0, 255).astype(np.uint8))["overexposed"] > 0.5


def test_a_thing_on_a_white_ground_is_not_overexposed() -> None:
    product = np.full((400, 400, 3), 255, np.uint8)
    product[120:280, 120:280] = scene(2, 160, 160)
    assert scores(product)["overexposed"] < 0.5


def test_resolution_is_that_of_the_original_and_not_of_the_decoded_pixels() -> None:
    assert frame_scores(Frame(scene(), width=4000, height=3000))["low_resolution"] < 0.1
    assert frame_scores(Frame(scene(), width=320, height=160))["low_resolution"] > 0.5


def test_the_score_is_one_half_where_the_shorter_side_is_at_the_threshold() -> None:
    assert frame_scores(Frame(scene(), width=999, height=SIDE))["low_resolution"] == pytest.approx(0.5)


@pytest.mark.parametrize("level", [0, 90, 255])
def test_a_plain_picture_is_blank_and_not_called_blurred(level: int) -> None:
    found = scores(np.full((300, 300, 3), level, np.uint8))
    assert found["blank"] > 0.9
    assert found["blurred"] < 0.1


def test_a_single_pixel_is_judged() -> None:
    assert scores(np.zeros((1, 1, 3), np.uint8))["low_resolution"] > 0.9


def test_every_score_rises_with_its_evidence() -> None:
    values = np.linspace(0, 300, 50)
    assert all(np.diff([score(value, 100) for value in values]) > 0)
    assert all(np.diff([score(100, value) for value in values]) < 0)


def test_matches_carry_what_was_measured_and_explain_gives_the_threshold() -> None:
    quality, frame = Quality(Config(blurred=50)), Frame(scene())
    answer = quality.categorize([Item({}, frame)])[0]
    assert isinstance(answer, Matches)
    for match in answer.matches:
        explained = quality.explain(Item({}, frame), Label(id=match.label))
        assert match.attributes.items() <= explained.items()
        formula = explained["formula"].removeprefix("score = ").replace("^", "**").replace(" x ", " * ")
        assert eval(formula, {}, explained) == pytest.approx(match.score)
    blurred = quality.explain(Item({}, frame), Label(id="blurred"))
    assert blurred["threshold"] == 50
    assert blurred["laplacian_variance"] == pytest.approx(float(laplacian(luma_of(frame.pixels)).var()))
    again = score(blurred["threshold"], blurred["laplacian_variance"]) * (1 - blurred["blank"])
    assert answer.matches[0].score == pytest.approx(again)


def test_a_threshold_moves_the_score_and_the_revision() -> None:
    soft = blur(scene(), 1)
    assert scores(soft, Config(blurred=1e4))["blurred"] > scores(soft, Config(blurred=1))["blurred"]
    assert Quality(Config(blurred=1)).revision != Quality(Config()).revision
    assert Quality(Config()).revision == Quality(Config()).revision


def test_a_threshold_that_makes_no_sense_is_refused_with_its_name() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"blurred"):
        msgspec.convert({"blurred": 0}, Config)


def test_highlights_are_the_luma_that_few_pixels_exceed() -> None:
    luma = np.full((100, 100), 40, np.float32)
    luma[:2] = 200
    assert highlights_of(luma) == 200
    assert highlights_of(luma[2:]) == 40


def test_the_plugin_declares_its_settings_and_its_categorizer() -> None:
    manifest = opsin_manifest()
    assert (manifest.name, manifest.config) == ("quality", Config)
    assert [categorizer.id for categorizer in opsin_categorizers(Config())] == ["quality"]
