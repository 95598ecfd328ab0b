"""How many frames an animation really holds, counted in its container, and which of them are looked at."""

from __future__ import annotations

from opsin.intake.formats import GIF, PNG, WEBP, Format

# More frames than this are not counted; such a file is far over any limit on frames x pixels that makes sense.
MOST = 1_000_000
_GIF_IMAGE, _GIF_EXTENSION = 0x2C, 0x21


def count_frames(data: bytes, kind: Format) -> int:
    """Return how many frames ``data`` holds, at least 1, by walking its blocks without decoding them."""
    if kind == GIF:
        return max(1, _count_gif(data))
    if kind == PNG:
        return max(1, _count_png(data))
    if kind == WEBP:
        return max(1, _count_webp(data))
    return 1


def spread(total: int, most: int) -> list[int]:
    """Return at most ``most`` frame numbers of 0..total-1: the first, the last, and the rest evenly between."""
    if total <= most:
        return list(range(total))
    if most == 1:
        return [0]
    return [round(place * (total - 1) / (most - 1)) for place in range(most)]


def _count_gif(data: bytes) -> int:
    """Count image descriptors (GIF89a specification, sections 18-26)."""
    at, count = 13, 0
    if len(data) > 10 and data[10] & 0x80:
        at += 3 << ((data[10] & 7) + 1)
    while at < len(data) and count < MOST:
        if data[at] == _GIF_IMAGE:
            if at + 10 > len(data):
                break
            count += 1
            flags = data[at + 9]
            at += 11 + ((3 << ((flags & 7) + 1)) if flags & 0x80 else 0)
        elif data[at] == _GIF_EXTENSION:
            at += 2
        else:
            break
        while at < len(data) and data[at]:
            at += data[at] + 1
        at += 1
    return count


def _count_png(data: bytes) -> int:
    """Count frame control chunks, and the still picture where it is not one of them (PNG, third edition, 11.3.6)."""
    at, controls, still_apart, animated = 8, 0, False, False
    while at + 8 <= len(data) and controls < MOST:
        size, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if name == b"acTL":
            animated = True
        elif name == b"fcTL":
            controls += 1
        elif name == b"IDAT" and not controls:
            still_apart = True
        elif name == b"IEND":
            break
        at += size + 12
    return controls + still_apart if animated else 1


def _count_webp(data: bytes) -> int:
    """Count ANMF chunks (WebP container specification)."""
    at, count = 12, 0
    while at + 8 <= len(data) and count < MOST:
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        count += data[at : at + 4] == b"ANMF"
        at += 8 + size + (size & 1)
    return count
