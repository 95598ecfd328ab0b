"""The errors that Opsin raises, as one tree.

Every error carries a stable ``code`` for programs, a ``title`` for people, an HTTP status and an exit status.

    OpsinError
    ├── UsageError            the call itself is wrong               400  exit 2
    │   ├── UnknownName       a name that does not exist             404  exit 2
    │   ├── SettingError      a setting that cannot be used          400  exit 2
    │   ├── WrongMethod       an address does not know this method   405  exit 2
    │   ├── WrongMediaType    a body of another kind is expected     415  exit 2
    │   ├── BodyTooSlow       the request did not arrive in time     408  exit 2
    │   ├── ClientGone        whoever asked did not wait             499  exit 2
    │   ├── HeadTooLarge      address and headers are too long       431  exit 2
    │   ├── TooManyRequests   this key asks too often                429  exit 2
    │   ├── StillUnderWay     the same request is being answered     409  exit 2
    │   ├── AlreadyAnswered   done before, with a secret             409  exit 2
    │   └── AnotherRequest    its Idempotency-Key was another's      422  exit 2
    ├── AccessRefused         who asks may not do this               403  exit 4
    │   ├── KeyRefused        no key, or none that counts            401  exit 4
    │   └── OriginRefused     asked by another site's name           403  exit 4
    ├── Refused               this picture is refused                422  exit 3
    │   ├── UnreadablePicture not a picture, or a broken one         422  exit 3
    │   ├── LimitExceeded     larger than a limit allows             413  exit 3
    │   └── SourceUnavailable the file or address cannot be read     422  exit 3
    ├── LibraryError          the library cannot do this             409  exit 4
    │   ├── LibraryMissing    there is no library here               404  exit 4
    │   ├── LibraryBusy       another process owns it                409  exit 4
    │   ├── EncoderMismatch   it was made with another encoder       409  exit 4
    │   ├── Unreachable       the service does not answer            502  exit 4
    │   ├── Taken             what must be unique is there already   409  exit 4
    │   ├── Outdated          it changed since it was looked at      412  exit 4
    │   ├── Unwritable        its disk is full, or not to be written 503  exit 4
    │   └── Damaged           stored data fails its checksum         500  exit 4
    └── PluginError           a plugin failed                        503  exit 5
        ├── PluginUnavailable something it needs is not installed    503  exit 5
        ├── ContractBroken    it answered wrongly                    503  exit 5
        ├── DeadlineExceeded  it did not answer in time              503  exit 5
        └── Overloaded        too much waits for it, or is under way 503  exit 5
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import ClassVar

_REMEDIES: Mapping[int | None, str] = {
    errno.ENOSPC: "free some space, then do it again",
    errno.EDQUOT: "free some space, or have the quota raised, then do it again",
    errno.EFBIG: "raise the limit on the size of files (`ulimit -f`), or free some space, then do it again",
    errno.EROFS: "mount the disk for writing, or work on a copy elsewhere",
    errno.EACCES: "check its permissions",
    errno.EPERM: "check its permissions",
    errno.EMFILE: "raise the limit on open files (`ulimit -n`)",
}


class OpsinError(Exception):
    """The root: ``str(error)`` is one sentence that says what happened and what to do.

    ``limit`` names the setting that says how much is allowed, e.g. ``"decode.max_pixels"``, where one was passed.
    """

    code: ClassVar[str] = "error"
    title: ClassVar[str] = "Opsin could not do this"
    http_status: ClassVar[int] = 500
    exit_status: ClassVar[int] = 1
    limit: str | None = None


class UsageError(OpsinError):
    code = "usage"
    title = "The request is not well formed"
    http_status = 400
    exit_status = 2


class UnknownName(UsageError):
    code = "unknown-name"
    title = "There is nothing of that name"
    http_status = 404


class SettingError(UsageError):
    code = "setting"
    title = "A setting cannot be used"


class WrongMethod(UsageError):
    code = "wrong-method"
    title = "This address does not know the method"
    http_status = 405


class WrongMediaType(UsageError):
    code = "wrong-media-type"
    title = "The body is of another kind than is expected"
    http_status = 415


class BodyTooSlow(UsageError):
    code = "body-too-slow"
    title = "The request did not arrive in time"
    http_status = 408
    limit = "serve.body_timeout"


class ClientGone(UsageError):
    """The client went away before its body was whole, or it was answered; nobody hears of it, and the log says 499."""

    code = "client-gone"
    title = "The client went away"
    http_status = 499


class HeadTooLarge(UsageError):
    code = "head-too-large"
    title = "Address and headers are too long"
    http_status = 431


class TooManyRequests(UsageError):
    """``after`` is the number of seconds after which the next one is answered."""

    code = "too-many-requests"
    title = "This key asks too often"
    http_status = 429
    limit = "serve.rate_limit"

    def __init__(self, message: str, *, after: int = 1) -> None:
        super().__init__(message)
        self.after = after


class StillUnderWay(UsageError):
    code = "still-under-way"
    title = "The same request is being answered"
    http_status = 409


class AlreadyAnswered(UsageError):
    code = "already-answered"
    title = "This was done already"
    http_status = 409


class AnotherRequest(UsageError):
    code = "another-request"
    title = "The Idempotency-Key belongs to another request"
    http_status = 422


class AccessRefused(OpsinError):
    code = "access-refused"
    title = "The key does not allow this"
    http_status = 403
    exit_status = 4


class KeyRefused(AccessRefused):
    code = "key-refused"
    title = "A key is needed"
    http_status = 401


class OriginRefused(AccessRefused):
    code = "origin-refused"
    title = "The request comes by a name that is not allowed"


class Refused(OpsinError):
    code = "refused"
    title = "The picture was refused"
    http_status = 422
    exit_status = 3


class UnreadablePicture(Refused):
    code = "unreadable-picture"
    title = "Not a readable picture"


class LimitExceeded(Refused):
    """A limit was passed, which ``limit`` names."""

    limit: str
    code = "limit-exceeded"
    title = "Larger than a limit allows"
    http_status = 413

    def __init__(self, message: str, *, limit: str) -> None:
        super().__init__(message)
        self.limit = limit

    def __reduce__(self) -> tuple[object, ...]:
        return (_limit_exceeded, (str(self), self.limit))


def _limit_exceeded(message: str, limit: str) -> LimitExceeded:
    return LimitExceeded(message, limit=limit)


class SourceUnavailable(Refused):
    code = "source-unavailable"
    title = "The source cannot be read"


class LibraryError(OpsinError):
    code = "library"
    title = "The library cannot do this"
    http_status = 409
    exit_status = 4


class LibraryMissing(LibraryError):
    code = "library-missing"
    title = "There is no library here"
    http_status = 404


class LibraryBusy(LibraryError):
    code = "library-busy"
    title = "Another process owns the library"


class EncoderMismatch(LibraryError):
    code = "encoder-mismatch"
    title = "The library was made with another encoder"


class Unreachable(LibraryError):
    code = "unreachable"
    title = "The service does not answer"
    http_status = 502


class Taken(LibraryError):
    code = "taken"
    title = "The name is taken"


class Outdated(LibraryError):
    code = "outdated"
    title = "It changed meanwhile"
    http_status = 412


class Unwritable(LibraryError):
    """Nobody who asks a service can mend it: it is the service that is out of order."""

    code = "unwritable"
    title = "The library cannot be written"
    http_status = 503


class Damaged(LibraryError):
    code = "damaged"
    title = "Stored data is damaged"
    http_status = 500


class PluginError(OpsinError):
    """``after`` is the number of seconds after which the plugin is tried again, None where it is not out of use."""

    code = "plugin"
    title = "A plugin failed"
    http_status = 503
    exit_status = 5

    def __init__(self, message: str, *, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class PluginUnavailable(PluginError):
    code = "plugin-unavailable"
    title = "A plugin lacks something it needs"


class ContractBroken(PluginError):
    code = "contract-broken"
    title = "A plugin answered wrongly"


class DeadlineExceeded(PluginError):
    code = "deadline-exceeded"
    title = "A plugin did not answer in time"


class Overloaded(PluginError):
    """``limit`` names the setting that says how much may be under way, where one does."""

    code = "overloaded"
    title = "Too much is under way"

    def __init__(self, message: str, *, after: float | None = None, limit: str | None = None) -> None:
        super().__init__(message, after=after)
        self.limit = limit


def reason_of(error: OSError) -> str:
    """Return why a file or folder cannot be used, in the system's words, and what to do where that is known."""
    reason = error.strerror or str(error)
    remedy = _REMEDIES.get(error.errno)
    return reason if remedy is None else f"{reason}: {remedy}"
