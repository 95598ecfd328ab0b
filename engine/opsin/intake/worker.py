"""The process that decodes: takes jobs from standard input, pictures from its slot, and answers on standard output.

It imports Pillow and, where a picture needs it, pillow-heif and numpy; nothing of the owner's program.
"""

from __future__ import annotations

import os
import resource
import signal
import struct
import threading
import warnings
import zlib
from select import POLLHUP, poll
from typing import NoReturn

import msgspec
from PIL import Image, JpegImagePlugin  # noqa: F401 - the JPEG plugin is wanted before the first picture

from opsin.errors import LibraryError, LimitExceeded, UnreadablePicture
from opsin.intake.colour import Converter
from opsin.intake.cut import is_cut_short
from opsin.intake.formats import BY_NAME, Format
from opsin.intake.picture import Picture, Shot
from opsin.intake.preview import make_preview
from opsin.intake.wire import Answer, Job, Plane, Setup, no_room, receive, send
from opsin.plugin.view import view_image

# What Pillow and its libraries have been seen to raise on broken pictures.
BROKEN = (
    OSError,
    ValueError,
    SyntaxError,
    RuntimeError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    EOFError,
    Image.DecompressionBombError,
    struct.error,
    zlib.error,
)
_LONGEST_MESSAGE = 300


def main(*slots: int) -> NoReturn:
    """Serve until the owner closes the pipe or dies. ``slots`` are the file descriptors of the shared memory."""
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # Libraries that print must not write into the answers.
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_owner, args=(incoming.fileno(), os.getppid()), daemon=True).start()
    setup = msgspec.msgpack.decode(receive(incoming) or b"", type=Setup)
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = setup.settings.max_pixels
    worker = Worker(setup)
    send(outgoing, Answer())
    while (body := receive(incoming)) is not None:
        job = msgspec.msgpack.decode(body, type=Job)
        answer = worker.run(job, slots[job.slot])
        send(outgoing, answer)
        if answer.last:
            break
    os._exit(0)


class Worker:
    """Decodes one picture at a time."""

    def __init__(self, setup: Setup) -> None:
        self._settings = setup.settings
        self._min_side = setup.min_side
        self._views = setup.views
        self._converter = Converter()

    def run(self, job: Job, slot: int) -> Answer:
        """Do one job, whose picture lies in ``slot`` and whose frames go there. Every failure becomes an answer."""
        data = os.pread(slot, job.size, 0)
        kind = BY_NAME[job.format]
        try:
            limit_memory(self._settings.max_memory)
            return self._preview(data, job, slot) if job.preview else self._decode(data, kind, slot)
        except LibraryError as error:
            return Answer(problem="room", message=str(error), last=True)
        except (LimitExceeded, UnreadablePicture, Image.DecompressionBombWarning, MemoryError, *BROKEN) as error:
            return self._refuse(data, kind, error)

    def _refuse(self, data: bytes, kind: Format, error: BaseException) -> Answer:
        """Say what is wrong, why, and which limit."""
        settings = self._settings
        if isinstance(error, LimitExceeded):
            return Answer(problem="limit", message=str(error), limit=error.limit)
        if isinstance(error, UnreadablePicture):
            return Answer(problem="unreadable", message=str(error))
        if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
            message = f"The {kind.title} has more pixels than the {settings.max_pixels:,} of decode.max_pixels."
            return Answer(problem="limit", message=message, limit="decode.max_pixels")
        if isinstance(error, MemoryError) or "memory" in str(error).lower():
            allowed = settings.max_memory // (1024 * 1024)
            message = f"The {kind.title} takes more memory to decode than the {allowed} MiB of decode.max_memory."
            return Answer(problem="limit", message=message, limit="decode.max_memory", last=True)
        return Answer(problem="unreadable", message=_explain(data, kind, error))

    def _decode(self, data: bytes, kind: Format, slot: int) -> Answer:
        picture = Picture(data, kind, self._settings, self._converter)
        planes: list[Plane] = []
        at, transparent = 0, False
        for shot in picture.frames(self._min_side, most=self._settings.max_frames):
            size = (picture.width, picture.height)
            views = [view_image(shot.image, view, size=size, box=shot.box).tobytes() for view in self._views]
            image = self._smaller(shot)
            planes.append(Plane(image.width, image.height, shot.number))
            transparent = transparent or shot.transparent
            for part in (image.tobytes(), *views):
                at += _write(slot, part, at)
        return Answer(
            size=at,
            planes=tuple(planes),
            width=picture.width,
            height=picture.height,
            frame_count=picture.frame_count,
            transparent=transparent,
            taken_at=picture.taken_at,
            orientation=picture.orientation,
        )

    def _smaller(self, shot: Shot) -> Image.Image:
        """Average whole blocks of pixels while the shorter side stays at least ``min_side``."""
        factor = min(shot.image.size) // self._min_side
        return shot.image.reduce(factor) if factor >= 2 else shot.image

    def _preview(self, data: bytes, job: Job, slot: int) -> Answer:
        made = make_preview(data, job.preview, form=job.form, settings=self._settings, converter=self._converter)
        return Answer(size=_write(slot, made, 0))


def limit_memory(allowed: int) -> None:
    """Let this process take ``allowed`` bytes more than it has now; beyond that, allocations fail.

    On Linux it is the data that counts (RLIMIT_DATA, with private mappings since 4.7), so that address space which
    threads only reserve does not; elsewhere the address space, where the system minds that at all.
    """
    try:
        with open("/proc/self/statm", "rb") as stream:  # noqa: PTH123 - per picture, and pathlib is slower
            used = int(stream.read().split()[5]) * resource.getpagesize()
        kind = resource.RLIMIT_DATA
    except OSError:
        used, kind = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, resource.RLIMIT_AS
    _, hard = resource.getrlimit(kind)
    wanted = used + allowed
    resource.setrlimit(kind, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def _write(slot: int, part: bytes, at: int) -> int:
    """Write all of ``part`` and return its length.

    :raises LibraryError: where the slot cannot take it, which is not the picture's fault.
    """
    view = memoryview(part)
    done = 0
    try:
        while done < len(view):
            done += os.pwrite(slot, view[done:], at + done)
    except OSError as error:
        raise no_room(error) from error
    return len(view)


def _explain(data: bytes, kind: Format, error: BaseException) -> str:
    """Return what is wrong with the picture, and what to do about it."""
    reason = " ".join(str(error).split())[:_LONGEST_MESSAGE].rstrip(".")
    if is_cut_short(data, kind) or "truncated" in reason:
        return f"The {kind.title} is cut short, as by a copy or a download that broke off: get it anew from where it came from."
    if not reason or "BytesIO" in reason:
        return f"The {kind.title} is broken, or of a kind that Opsin cannot read: save it anew, as a PNG or JPEG."
    return f"The {kind.title} is broken ({reason}): get it anew from where it came from, or save it anew, as a PNG or JPEG."


def _end_with_owner(pipe: int, owner: int) -> None:
    """End this process, whatever it does, once its owner has gone."""
    watch = poll()
    watch.register(pipe, POLLHUP)
    # The timeout is for an owner that forked: its copy of the pipe stays open, but the parent changes.
    while not any(event & POLLHUP for _, event in watch.poll(2000)):
        if os.getppid() != owner:
            break
    os.kill(os.getpid(), signal.SIGKILL)
