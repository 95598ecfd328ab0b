"""Converts between sRGB and OKLab, where equal distances look equally different (Ottosson 2020).

Source: https://bottosson.github.io/posts/oklab/ (the matrices) and IEC 61966-2-1 (the sRGB transfer curve).
coloraide does the same for one colour at a time; a test holds the two together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_RGB_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    np.float32,
).T
_LMS_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    np.float32,
).T
_LAB_TO_LMS = np.linalg.inv(_LMS_TO_LAB)
_LMS_TO_RGB = np.linalg.inv(_RGB_TO_LMS)


def _linear() -> NDArray[np.float32]:
    """Return the light 0..1 behind each sRGB value 0..255."""
    value = np.arange(256) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


_LINEAR = _linear()


def from_rgb(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return OKLab float32 (..., 3), L in 0..1, a and b within -0.4..0.4, of sRGB values uint8 (..., 3)."""
    lab: NDArray[np.float32] = np.cbrt(_LINEAR[rgb] @ _RGB_TO_LMS) @ _LMS_TO_LAB
    return lab


def to_rgb(lab: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return sRGB values uint8 (..., 3) of OKLab (..., 3); what sRGB cannot show is clipped."""
    light = np.clip((lab @ _LAB_TO_LMS) ** 3 @ _LMS_TO_RGB, 0, 1)
    curve = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    rgb: NDArray[np.uint8] = np.rint(curve * 255).astype(np.uint8)
    return rgb
