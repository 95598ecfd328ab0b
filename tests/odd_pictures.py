"""Pictures that the intake's tests make: a photo-like one, and files that lie, break or exaggerate."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image


def photo(width: int = 320, height: int = 240) -> Image.Image:
    """A smooth picture, another colour in each corner: red, green, blue, white (from the top left, by rows)."""
    across = np.linspace(0, 1, width)[None, :, None]
    down = np.linspace(0, 1, height)[:, None, None]
    red, green, blue, white = (
        np.array(c, float) for c in ((220, 30, 30), (30, 200, 30), (30, 30, 220), (240, 240, 240))
    )
    mixed = (red * (1 - across) + green * across) * (1 - down) + (blue * (1 - across) + white * across) * down
    return Image.fromarray(mixed.astype(np.uint8))


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def animation(
    kind: str, colours: list[tuple[int, int, int]], size: tuple[int, int] = (64, 48), **options: Any
) -> bytes:
    frames = [Image.new("RGB", size, colour) for colour in colours]
    return encode(frames[0], kind, save_all=True, append_images=frames[1:], duration=50, **options)


def colours(count: int) -> list[tuple[int, int, int]]:
    """Different colours, whose red tells the frame's number."""
    return [(number * 6, 255 - number * 6, 128) for number in range(count)]


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_header(width: int, height: int) -> bytes:
    """A PNG that announces much and holds nothing."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", zlib.compress(b""))
        + png_chunk(b"IEND", b"")
    )


def lying_apng(claimed: int) -> bytes:
    """A PNG of one frame whose animation header claims ``claimed``."""
    data = encode(photo(32, 24), "PNG")
    at = 8 + 25
    control = png_chunk(b"acTL", struct.pack(">II", claimed, 0))
    frame = png_chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 32, 24, 0, 0, 1, 10, 0, 0))
    return data[:at] + control + frame + data[at:]


def jpeg_with_size(width: int, height: int, **options: Any) -> bytes:
    """A small JPEG whose header claims another size."""
    data = bytearray(encode(photo(320, 240), "JPEG", **options))
    at = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def jpeg_with_scans(scans: int, width: int = 320, height: int = 240) -> bytes:
    """A progressive JPEG whose last scan is repeated, each time a pass over the whole picture for the decoder."""
    data = encode(photo(width, height), "JPEG", progressive=True)
    last = data.rfind(b"\xff\xda")
    return data[:last] + data[last:-2] * scans + data[-2:]


def with_orientation(upright: Image.Image, orientation: int) -> bytes:
    """A JPEG stored turned, whose EXIF says how to turn it back to ``upright``."""
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }.get(orientation)
    stored = upright if turn is None else upright.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(stored, "JPEG", quality=95, exif=exif)
