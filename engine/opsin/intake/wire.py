"""What the decoding pool and its worker processes say to each other: typed messages, no pickle."""

from __future__ import annotations

from typing import IO, Literal

import msgspec

from opsin.errors import LibraryError
from opsin.plugin.view import View
from opsin.settings import DecodeSettings

PreviewForm = Literal["webp", "jpeg", "avif"]
"""What a preview is encoded as."""


class Setup(msgspec.Struct, frozen=True):
    """The first message to a worker."""

    settings: DecodeSettings
    min_side: int
    views: tuple[View, ...]


class Job(msgspec.Struct, frozen=True):
    """One picture, whose ``size`` bytes lie at the start of ``slot``. ``preview`` > 0 asks for a preview in ``form`` instead."""

    slot: int
    size: int
    format: str
    preview: int = 0
    form: PreviewForm = "webp"


class Plane(msgspec.Struct, frozen=True):
    """One frame in the slot: its pixels (``height`` x ``width`` x 3 bytes), then each view (``crop`` squared x 3)."""

    width: int
    height: int
    number: int


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of a job. ``problem`` is empty where it went well; ``size`` bytes lie in the slot.

    The problem "room" is not the picture's: the slot could not take it.
    """

    problem: Literal["", "unreadable", "limit", "room"] = ""
    message: str = ""
    limit: str = ""
    size: int = 0
    planes: tuple[Plane, ...] = ()
    width: int = 0
    height: int = 0
    frame_count: int = 1
    transparent: bool = False
    taken_at: str | None = None
    orientation: int = 1
    # The worker ends after this answer: its memory is no longer to be trusted.
    last: bool = False


def no_room(error: OSError | MemoryError) -> LibraryError:
    """Return the error for a picture that could not be handed to or from the decoding process."""
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or "no memory is left"
    return LibraryError(
        f"a picture cannot be handed to a decoding process ({reason}): check the memory and the room on the disk for "
        "temporary files, and the limits on the size of files and the number of processes (`ulimit -a`)"
    )


def send(stream: IO[bytes], message: msgspec.Struct) -> None:
    """Write one message, with its length before it."""
    body = msgspec.msgpack.encode(message)
    stream.write(len(body).to_bytes(4, "little") + body)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes | None:
    """Read one message's body; None where the other side has gone."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    size = int.from_bytes(head, "little")
    body = stream.read(size)
    return body if len(body) == size else None


def unpack(arrived: bytearray) -> bytes | None:
    """Take the first whole message's body out of ``arrived``; None where it has not come yet."""
    size = int.from_bytes(arrived[:4], "little")
    if len(arrived) < 4 + size or len(arrived) < 4:
        return None
    body = bytes(arrived[4 : 4 + size])
    del arrived[: 4 + size]
    return body
