"""Photos that a service never saw: each of a few hundred again and again, with another comment in it."""

from __future__ import annotations

from benchmarks.inputs import photos

_PHOTOS = 200


class Photos:
    """Photos of 640x480 by number, made when they are asked for; each number is another content."""

    def __init__(self) -> None:
        self._photos = [path.read_bytes() for path in photos(_PHOTOS)]

    def marked(self, number: int) -> bytes:
        """Return the bytes of a JPEG; always the same for a number."""
        comment = b"%08d" % number
        photo = self._photos[number % _PHOTOS]
        return photo[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + photo[2:]
