"""The calls of `client.keys`: as those of `opsin.keys`."""

from __future__ import annotations

from opsin.client.call import Call, address, as_kind, in_field
from opsin.library import Key, NewKey, Scope


def list_keys() -> Call[tuple[Key, ...]]:
    """Return the keys of the library, oldest first."""
    return Call(method="GET", path="/v1/keys", read=in_field("keys", tuple[Key, ...]))


def create(name: str, scope: Scope = "read") -> Call[NewKey]:
    """Make a key; the secret that is returned is stored nowhere."""
    fields = {"name": name, "scope": scope}
    return Call(method="POST", path="/v1/keys", json=fields, read=as_kind(NewKey), changes=True)


def revoke(number: str) -> Call[Key]:
    """Take a key away: from now on it opens nothing.

    :raises UnknownName: where there is no key of this id.
    """
    return Call(method="DELETE", path=address("keys", number), read=as_kind(Key), changes=True)
