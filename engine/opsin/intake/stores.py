"""Pictures in buckets: lists and reads s3://, gs:// and az:// through obstore, which is loaded only when one is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opsin.errors import SourceUnavailable
from opsin.intake.source import MissingSource, Source, too_large

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ObjectStore

_AMAZON = "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, or AWS_SKIP_SIGNATURE=true for a public bucket"
_GOOGLE = "GOOGLE_APPLICATION_CREDENTIALS (a file), or GOOGLE_SKIP_SIGNATURE=true for a public bucket"
_AZURE = "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or AZURE_SKIP_SIGNATURE=true for a public container"
_CREDENTIALS = {"s3": _AMAZON, "s3a": _AMAZON, "gs": _GOOGLE, "az": _AZURE, "abfs": _AZURE, "abfss": _AZURE}
"""What the environment has to say of who asks."""
BUCKETS = tuple(_CREDENTIALS)

OpenStore = Callable[[str], "ObjectStore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectSource(Source):
    """One object of a bucket; ``key`` is its path there."""

    key: str
    store: ObjectStore = field(repr=False, compare=False)

    def read(self, limit: int) -> bytes:
        import obstore
        from obstore.exceptions import BaseError

        try:
            answer = obstore.get(self.store, self.key)
            if answer.meta["size"] > limit:
                raise too_large(self.location, limit)
            return bytes(answer.bytes())
        except FileNotFoundError as error:
            msg = f"{self.location} does not exist."
            raise SourceUnavailable(msg) from error
        except (BaseError, OSError) as error:
            msg = f"{self.location} cannot be read: {_reason(self.location, error)}."
            raise SourceUnavailable(msg) from error


class Stores:
    """The buckets that one call names, each opened once."""

    def __init__(self, open_store: OpenStore | None) -> None:
        self._open = open_store
        self._opened: dict[str, ObjectStore] = {}

    def find(self, url: str, wanted: Callable[[str, str], bool]) -> Iterator[Source]:
        """Yield the object at ``url``, else all objects below it that are ``wanted`` (name, location), by their keys."""
        import obstore
        from obstore.exceptions import BaseError

        try:
            root, key, store = self._bucket(url)
            if key and not key.endswith("/") and (found := _head(store, key)) is not None:
                yield _source(root, store, found)
                return
            some = False
            for chunk in obstore.list(store, prefix=key.rstrip("/") or None):
                # S3, GCS and Azure list in order; sorting each part costs nothing, and a store in memory needs it.
                for meta in sorted(chunk, key=lambda entry: entry["path"]):
                    some = True
                    if wanted(meta["path"].rpartition("/")[2], f"{root}/{meta['path']}"):
                        yield _source(root, store, meta)
            if not some:
                yield MissingSource.of(url, f"{url} does not exist, and nothing lies below it.")
        except (BaseError, OSError, ValueError) as error:
            yield MissingSource.of(url, f"{url} cannot be listed: {_reason(url, error)}.")

    def look(self, url: str) -> Source | None:
        """Return the object at ``url``, None where there is none.

        :raises SourceUnavailable: where the bucket does not say.
        """
        from obstore.exceptions import BaseError

        try:
            root, key, store = self._bucket(url)
            found = _head(store, key)
        except (BaseError, OSError, ValueError) as error:
            msg = f"{url} cannot be looked at: {_reason(url, error)}."
            raise SourceUnavailable(msg) from error
        return None if found is None else _source(root, store, found)

    def some_below(self, url: str) -> bool:
        """Return whether anything is below ``url``; where the bucket does not say, there may be."""
        import obstore
        from obstore.exceptions import BaseError

        try:
            _, key, store = self._bucket(url)
            return any(obstore.list(store, prefix=key.rstrip("/") or None, chunk_size=1))
        except (BaseError, OSError, ValueError):
            return True

    def source(self, url: str) -> Source:
        """Return the object at ``url`` without asking the bucket."""
        from obstore.exceptions import BaseError

        try:
            _, key, store = self._bucket(url)
        except (BaseError, OSError, ValueError) as error:
            return MissingSource.of(url, f"{url} cannot be opened: {_reason(url, error)}.")
        return ObjectSource(kind="object", location=url, name=key.rpartition("/")[2], key=key, store=store)

    def _bucket(self, url: str) -> tuple[str, str, ObjectStore]:
        """Return the bucket's URL, the key in it, and the opened bucket."""
        scheme, _, rest = url.partition("://")
        bucket, _, key = rest.partition("/")
        root = f"{scheme.lower()}://{bucket}"
        if root not in self._opened:
            if self._open is None:
                from obstore.store import from_url

                self._open = from_url
            self._opened[root] = self._open(root)
        return root, key, self._opened[root]


def _head(store: ObjectStore, key: str) -> ObjectMeta | None:
    import obstore

    try:
        return obstore.head(store, key)
    except FileNotFoundError:
        return None


def _source(root: str, store: ObjectStore, meta: ObjectMeta) -> ObjectSource:
    return ObjectSource(
        kind="object",
        location=f"{root}/{meta['path']}",
        name=meta["path"].rpartition("/")[2],
        size=meta["size"],
        mtime_ns=int(meta["last_modified"].timestamp() * 1_000_000) * 1000,
        etag=meta["e_tag"],
        key=meta["path"],
        store=store,
    )


def _reason(url: str, error: BaseException) -> str:
    """Return what obstore's errors say, without the debug lines below, and what to look at.

    Without credentials, a store asks the machine's own service for some, and it is that which is said to have failed.
    """
    said = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
    return f"{said}. Credentials come from the environment: {_CREDENTIALS[url.partition('://')[0].lower()]}"
