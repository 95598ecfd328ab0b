"""What the colors plugin says about the colours of a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import skimage
from coloraide import Color
from numpy.typing import NDArray

from opsin import Categorizer, Frame, Item, Label, Match, Matches
from opsin.testing import COLOURS, CategorizerContract, ExtractorContract, make_noise, make_picture
from opsin_colors import Config, opsin_categorizers, opsin_extractors
from opsin_colors.categorizer import Colors
from opsin_colors.names import TERMS, css_names, term_of
from opsin_colors.oklab import from_rgb, to_rgb
from opsin_colors.palette import COLORS, PaletteExtractor, palette_of

USUAL = Config()


class TestPaletteContract(ExtractorContract):
    extractor = staticmethod(PaletteExtractor)


class TestColorsContract(CategorizerContract):
    categorizer = staticmethod(lambda: Colors(Config()))

    def items(self, categorizer: Categorizer) -> list[Item]:
        return [Item({"palette": palette_of(frame.pixels)}) for frame in self.frames(48)]


def plain(*rgb: int) -> NDArray[np.uint8]:
    return np.full((60, 80, 3), rgb, np.uint8)


def judge(pixels: NDArray[np.uint8], config: Config = USUAL) -> dict[str, Match]:
    answer = Colors(config).categorize([Item({"palette": palette_of(pixels)})])[0]
    assert isinstance(answer, Matches)
    return {match.label: match for match in answer.matches}


def test_oklab_agrees_with_coloraide_and_comes_back_to_the_same_rgb() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (50, 3), np.uint8)
    lab = from_rgb(rgb)
    expected = [Color("srgb", list(row / 255)).convert("oklab")[:3] for row in rgb]
    np.testing.assert_allclose(lab, np.array(expected), atol=1e-5)
    np.testing.assert_array_equal(to_rgb(lab), rgb)


def test_a_plain_picture_has_one_colour() -> None:
    palette = palette_of(plain(200, 30, 40))
    np.testing.assert_array_equal(to_rgb(palette[0, :3]), (200, 30, 40))
    assert palette[0, 3] == 1
    assert not palette[1:].any()


def test_the_shares_of_a_palette_add_up_and_fall() -> None:
    for seed in range(5):
        palette = palette_of(make_noise(seed, (300, 200)))
        assert palette.shape == (COLORS, 4)
        assert palette[:, 3].sum() == pytest.approx(1, abs=1e-5)
        assert (np.diff(palette[:, 3]) <= 0).all()


def test_the_share_is_that_of_the_area() -> None:
    pixels = plain(250, 250, 250)
    pixels[:, :20] = (20, 40, 200)
    found = judge(pixels)
    assert found["blue"].attributes["share"] == pytest.approx(0.25, abs=0.02)
    assert found["white"].attributes["share"] == pytest.approx(0.75, abs=0.02)


def test_colours_that_look_the_same_are_one() -> None:
    pixels = plain(100, 150, 90)
    pixels[:, ::2] += np.uint8(4)
    assert (palette_of(pixels)[:, 3] > 0).sum() == 1


def test_a_palette_is_the_same_every_time() -> None:
    pixels = make_noise(7, (400, 300))
    np.testing.assert_array_equal(palette_of(pixels), palette_of(pixels.copy()))


@pytest.mark.parametrize(
    ("css", "term"),
    [
        ("black", "black"), ("white", "white"), ("gray", "gray"), ("silver", "gray"), ("dimgray", "gray"),
        ("red", "red"), ("firebrick", "red"), ("darkred", "red"), ("orange", "orange_color"),
        ("darkorange", "orange_color"), ("yellow", "yellow"), ("gold", "yellow"), ("khaki", "yellow"),
        ("green", "green"), ("lime", "green"), ("olivedrab", "green"), ("seagreen", "green"), ("blue", "blue"),
        ("navy", "blue"), ("skyblue", "blue"), ("steelblue", "blue"), ("purple", "purple"), ("indigo", "purple"),
        ("magenta", "purple"), ("plum", "purple"), ("pink", "pink"), ("hotpink", "pink"), ("lightpink", "pink"),
        ("brown", "red"), ("saddlebrown", "brown"), ("chocolate", "brown"), ("tan", "brown"), ("sienna", "brown"),
        ("#452d25", "brown"), ("#1d1310", "black"), ("#0a3630", "green"), ("#314162", "blue"), ("#f8f6f0", "white"),
    ],
)  # fmt: skip
def test_colours_have_the_term_that_people_use(css: str, term: str) -> None:
    rgb = np.rint(np.array(Color(css).convert("srgb")[:3]) * 255).astype(np.uint8)
    assert term_of(from_rgb(rgb)) == term


@pytest.mark.parametrize("name", ["red", "teal", "saddlebrown", "lavender"])
def test_a_css_colour_has_its_own_name(name: str) -> None:
    rgb = np.rint(np.array(Color(name).convert("srgb")[:3]) * 255).astype(np.uint8)
    assert css_names(from_rgb(rgb)[None]) == [name]


def test_every_colour_has_a_term() -> None:
    grid = np.stack(np.meshgrid(*[np.arange(0, 256, 15, dtype=np.uint8)] * 3), -1).reshape(-1, 3)
    assert {term_of(lab) for lab in from_rgb(grid)} == set(TERMS)


@pytest.mark.parametrize("colour", ["red", "green", "blue", "yellow", "purple", "pink"])
def test_only_a_colour_that_covers_the_picture_becomes_a_tag(colour: str) -> None:
    assert judge(make_picture(colour, "full"))[colour].score == pytest.approx(0.8)
    small = np.full((100, 100, 3), 128, np.uint8)
    small[:20, :50] = COLOURS[colour]
    assert 0 < judge(small)[colour].score < 0.2


def test_the_score_is_one_half_at_the_share_that_is_set() -> None:
    pixels = np.full((48, 48, 3), 128, np.uint8)
    pixels[:24] = COLOURS["blue"]
    assert judge(pixels, Config(share=0.5))["blue"].score == pytest.approx(0.5)


def test_grey_pictures_are_black_and_white_and_a_touch_of_colour_is_not() -> None:
    grey = np.repeat(make_noise(3, 200)[..., :1], 3, axis=2)
    assert judge(grey)["black_and_white"].score > 0.9
    touched = grey.copy()
    touched[:40, :40] = COLOURS["red"]
    assert judge(touched)["black_and_white"].score < 0.1


def test_all_matches_together_hold_the_whole_palette() -> None:
    found = judge(make_noise(5, 200))
    terms: list[Any] = [match.attributes for label, match in found.items() if label in TERMS]
    assert sum(sum(each["shares"]) for each in terms) == pytest.approx(1, abs=1e-5)
    for each in terms:
        assert len(each["hex"]) == len(each["names"]) == len(each["shares"])
        assert sum(each["shares"]) == pytest.approx(each["share"], abs=1e-5)
        assert all(Color(code) is not None for code in each["hex"])


def test_explain_gives_the_share_and_the_threshold_also_of_an_absent_colour() -> None:
    colors, item = Colors(Config(share=0.3)), Item({"palette": palette_of(plain(220, 20, 20))})
    assert colors.explain(item, Label(id="red"))["share"] == 1
    assert colors.explain(item, Label(id="blue")) == {
        "threshold": 0.3,
        "share": 0.0,
        "formula": "score = share^2 / (share^2 + threshold^2)",
        "score": 0.0,
    }
    assert colors.explain(item, Label(id="black_and_white"))["chroma"] > 0.2


def test_the_score_is_what_the_formula_of_its_explanation_gives() -> None:
    colors, item = Colors(Config(share=0.3)), Item({"palette": palette_of(plain(120, 110, 100))})
    for match in colors.categorize([item])[0].matches:  # type: ignore[union-attr]
        told = colors.explain(item, Label(id=match.label))
        formula = told["formula"].removeprefix("score = ").replace("^", "**")
        assert eval(formula, {}, told) == pytest.approx(match.score)


def test_settings_are_part_of_the_revision() -> None:
    assert Colors(Config(share=0.3)).revision != Colors(Config()).revision


def test_a_photo_has_the_colours_that_one_sees() -> None:
    palette = PaletteExtractor().extract([Frame(np.ascontiguousarray(skimage.data.retina()))])[0]["palette"]
    answer = Colors(Config()).categorize([Item({"palette": palette})])[0]
    assert isinstance(answer, Matches)
    assert max(answer.matches, key=lambda match: match.score).label == "red"


def test_the_plugin_declares_an_extractor_and_a_categorizer_that_needs_it() -> None:
    extractor, categorizer = opsin_extractors()[0], opsin_categorizers(Config())[0]
    assert categorizer.needs == frozenset(feature.name for feature in extractor.features)
