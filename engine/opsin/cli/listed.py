"""The list of names on standard input, which "-" stands for: read as it comes."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Iterator

_PIECE = 65536


def listed() -> Iterator[str]:
    """Yield pieces of standard input as soon as they are there, whatever its buffer; bytes that are no text survive.

    The descriptor is read, not the stream: a thread that waits inside the stream would hold a lock that Python wants
    when it ends.
    """
    try:
        handle = sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):  # none at all, or replaced by something that is no file
        yield from sys.stdin or ()
        return
    decoder = codecs.getincrementaldecoder(sys.getfilesystemencoding())("surrogateescape")
    while piece := os.read(handle, _PIECE):
        yield decoder.decode(piece)
    yield decoder.decode(b"", final=True)
