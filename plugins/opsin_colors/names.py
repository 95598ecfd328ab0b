"""Names colours: the basic colour term, and the nearest colour name of CSS."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from opsin_colors.oklab import from_rgb

# Berlin & Kay, "Basic Color Terms" (1969); the id `orange` belongs to the fruit
TERMS = ("black", "white", "gray", "red", "orange_color", "yellow", "green", "blue", "purple", "pink", "brown")


def term_of(lab: NDArray[np.float32]) -> str:
    """Return which of ``TERMS`` people would call an OKLab colour, (3,).

    The borders are our own judgement: lightness 0..1, chroma (0 grey, 0.26 the strongest sRGB red) and hue in degrees
    (sRGB red 29, yellow 110, green 142, blue 264, magenta 328).
    """
    light, a, b = (float(value) for value in lab)
    chroma, hue = np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360
    if light < 0.2 or (light < 0.3 and chroma < 0.03):
        return "black"
    if chroma < 0.03 or (light > 0.9 and chroma < 0.04):
        return "white" if light > 0.92 else "gray"
    if hue >= 340 or hue < 85:
        return _warm(light, chroma, hue)
    if hue < 113:
        olive = "brown" if hue < 100 else "green"
        return "yellow" if light > 0.75 else olive
    if hue < 183:
        return "green"
    return "blue" if hue < 283 else "purple"


def _warm(light: float, chroma: float, hue: float) -> str:
    """Tell pink, red, orange and brown apart."""
    if hue >= 340:
        return "pink" if light > 0.5 else "purple"
    if hue >= 36:
        if light > 0.66 and chroma > 0.11:
            return "orange_color"
        return "red" if hue < 42 and chroma > 0.12 else "brown"
    if light > 0.66 and (light > 0.7 or chroma < 0.1):
        return "pink"
    return "red" if chroma > 0.1 else "brown"


@cache
def _css() -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """Return the CSS names, one for each colour, and their OKLab colours, (n, 3)."""
    from coloraide.css.color_names import val2name_map

    opaque = {name: rgba[:3] for rgba, name in val2name_map.items() if rgba[3]}
    return tuple(opaque), from_rgb(np.array(list(opaque.values())).astype(np.uint8))


def css_names(lab: NDArray[np.float32]) -> list[str]:
    """Return the nearest CSS colour name of each OKLab colour, (n, 3).

    Nearest by the distance in which hue and chroma count double, as in coloraide's deltaEOK2: dark brown is nearer to
    brown than to dark grey.
    """
    names, colors = _css()
    distance = np.linalg.norm((lab[:, None] - colors) * np.array([1, 2, 2], np.float32), axis=2)
    return [names[place] for place in distance.argmin(1)]
