"""Carries messages between the host and a child process over pipes: msgpack with the arrays' bytes behind it."""

from __future__ import annotations

import struct
from typing import IO, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

_MAGIC = b"opsn"
_HEAD = struct.Struct("<4sQI")
_SIZE = struct.Struct("<Q")
_ARRAY = 1
_LARGEST = 2**33
_MOST_ARRAYS = 1_000_000


class BrokenWireError(Exception):
    """The other side closed the pipe, or what came is not a message."""


def send(stream: IO[bytes], message: Any) -> None:
    """Write one message of plain values, msgspec Structs and arrays.

    :raises TypeError: for a value that has no plain form.
    :raises OSError: where the other side is gone.
    """
    arrays: list[NDArray[Any]] = []

    def encode(value: Any) -> Any:
        if isinstance(value, np.ndarray) and not value.dtype.hasobject:
            arrays.append(np.ascontiguousarray(value))
            head = (len(arrays) - 1, value.dtype.str, value.shape)
            return msgspec.msgpack.Ext(_ARRAY, msgspec.msgpack.encode(head))
        if isinstance(value, np.generic):
            return value.item()
        msg = f"a {type(value).__name__} cannot be sent to another process"
        raise TypeError(msg)

    body = msgspec.msgpack.encode(message, enc_hook=encode)
    sizes = b"".join(_SIZE.pack(each.nbytes) for each in arrays)
    stream.write(_HEAD.pack(_MAGIC, len(body), len(arrays)) + sizes + body)
    stream.writelines(each.reshape(-1).view(np.uint8).data for each in arrays)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Read one message; Structs arrive as plain mappings, arrays as arrays of their own memory.

    :raises BrokenWireError: at the end of the stream, or where what comes is not a message.
    """
    magic, size, count = _HEAD.unpack(_read(stream, _HEAD.size))
    if magic != _MAGIC or size > _LARGEST or count > _MOST_ARRAYS:
        raise BrokenWireError("what came over the pipe is not a message")
    sizes = [_SIZE.unpack(_read(stream, _SIZE.size))[0] for _ in range(count)]
    if sum(sizes) > _LARGEST:
        raise BrokenWireError("what came over the pipe is too large")
    body = _read(stream, size)
    buffers = [_read(stream, each) for each in sizes]

    def decode(code: int, data: memoryview) -> Any:
        if code != _ARRAY:
            raise BrokenWireError("what came over the pipe is of an unknown kind")
        index, dtype, shape = msgspec.msgpack.decode(data)
        return np.frombuffer(buffers[index], np.dtype(dtype)).reshape(shape)

    try:
        return msgspec.msgpack.decode(body, ext_hook=decode)
    except (msgspec.MsgspecError, ValueError, TypeError, IndexError) as error:
        msg = f"what came over the pipe cannot be read: {error}"
        raise BrokenWireError(msg) from error


def _read(stream: IO[bytes], size: int) -> bytearray:
    buffer = bytearray(size)
    view = memoryview(buffer)
    while view:
        count = stream.readinto(view)  # type: ignore[attr-defined]
        if not count:
            raise BrokenWireError("the other side closed the pipe")
        view = view[count:]
    return buffer
