"""The calls of `client.vocabularies`: as those of `library.vocabularies`, but what changes labels scores the library again.

With ``wait=False`` a change is made at once, and the answer is the job that scores the library again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal, Unpack, overload

import httpx
import msgspec

from opsin.client.call import Call, Flow, Item, address, as_kind, in_field, only_where
from opsin.errors import UsageError
from opsin.library import Effect, Job, LabelChanges, Reanalysis, VocabularySummary
from opsin.model import Label, Vocabulary


def summaries() -> Call[tuple[VocabularySummary, ...]]:
    """Return the vocabularies of the library, and then those that plugins ship besides, without their labels."""
    read = in_field("vocabularies", tuple[VocabularySummary, ...])
    return Call(method="GET", path="/v1/vocabularies", read=read)


def disputed_words() -> Call[tuple[str, ...]]:
    """Return which words two vocabularies take for different labels, one sentence each; nothing is broken by that."""
    read = in_field("disputed_words", tuple[str, ...])
    return Call(method="GET", path="/v1/vocabularies", read=read)


def list_vocabularies() -> Flow[Vocabulary]:
    """Yield the vocabularies of the library, by name."""
    for each in (yield summaries()):
        if each.used:
            yield Item((yield get(each.name)))


def get(name: str) -> Call[Vocabulary]:
    """Return one vocabulary.

    :raises UnknownName: naming the vocabularies that there are.
    """
    return Call(method="GET", path=_place(name), read=as_kind(Vocabulary))


@overload
def create(
    name: str,
    labels: Sequence[Label] = (),
    *,
    summary: str = "",
    rescore: bool = True,
    wait: Literal[True] = True,
) -> Call[Reanalysis]: ...
@overload
def create(name: str, labels: Sequence[Label] = (), *, summary: str = "", wait: Literal[False]) -> Call[Job]: ...
def create(
    name: str, labels: Sequence[Label] = (), *, summary: str = "", rescore: bool = True, wait: bool = True
) -> Call[Reanalysis] | Call[Job]:
    """Make a vocabulary, score the library again unless ``rescore`` is False, and return what that changed.

    :raises UsageError: for ``rescore`` and ``wait`` that are both False, here and below.
    """
    fields = {"name": name, "labels": _plain(labels), "summary": summary}
    return _change("POST", "/v1/vocabularies", fields, rescore=rescore, wait=wait)


@overload
def add_shipped(name: str, *, rescore: bool = True, wait: Literal[True] = True) -> Call[Reanalysis]: ...
@overload
def add_shipped(name: str, *, wait: Literal[False]) -> Call[Job]: ...
def add_shipped(name: str, *, rescore: bool = True, wait: bool = True) -> Call[Reanalysis] | Call[Job]:
    """Take in a vocabulary that a plugin ships, score the library again, and return what that changed."""
    return _change("POST", "/v1/vocabularies", {"name": name}, rescore=rescore, wait=wait)


@overload
def edit_label(
    vocabulary: str,
    label: str,
    /,
    *,
    expected: Collection[str] | None = None,
    rescore: bool = True,
    wait: Literal[True] = True,
    **changes: Unpack[LabelChanges],
) -> Call[Reanalysis]: ...
@overload
def edit_label(
    vocabulary: str,
    label: str,
    /,
    *,
    expected: Collection[str] | None = None,
    wait: Literal[False],
    **changes: Unpack[LabelChanges],
) -> Call[Job]: ...
def edit_label(
    vocabulary: str,
    label: str,
    /,
    *,
    expected: Collection[str] | None = None,
    rescore: bool = True,
    wait: bool = True,
    **changes: Unpack[LabelChanges],
) -> Call[Reanalysis] | Call[Job]:
    """Change a label, or make it, score the library again, and return what that changed.

    :raises Outdated: where the revision of the vocabulary is none of those ``expected``, here and below.
    """
    return _change("PATCH", _place(vocabulary, label), dict(changes), expected, rescore=rescore, wait=wait)


@overload
def remove_label(
    vocabulary: str,
    label: str,
    *,
    expected: Collection[str] | None = None,
    rescore: bool = True,
    wait: Literal[True] = True,
) -> Call[Reanalysis]: ...
@overload
def remove_label(
    vocabulary: str, label: str, *, expected: Collection[str] | None = None, wait: Literal[False]
) -> Call[Job]: ...
def remove_label(
    vocabulary: str,
    label: str,
    *,
    expected: Collection[str] | None = None,
    rescore: bool = True,
    wait: bool = True,
) -> Call[Reanalysis] | Call[Job]:
    """Take a label out of a vocabulary, score the library again, and return what that changed."""
    return _change("DELETE", _place(vocabulary, label), expected=expected, rescore=rescore, wait=wait)


def remove(name: str, *, expected: Collection[str] | None = None) -> Call[None]:
    """Take a vocabulary away, with the tags that rest on it alone."""
    return Call(method="DELETE", path=_place(name), headers=only_where(expected), read=lambda _: None, changes=True)


def try_add(name: str, labels: Sequence[Label] | None = None) -> Call[Effect]:
    """Return what :meth:`create`, or :meth:`add_shipped` (None), would do to the tags; nothing is changed."""
    return _try("POST", "/v1/vocabularies", {"name": name} | ({} if labels is None else {"labels": _plain(labels)}))


def try_edit_label(vocabulary: str, label: str, /, **changes: Unpack[LabelChanges]) -> Call[Effect]:
    """Return what :meth:`edit_label` would do to the tags; nothing is changed."""
    return _try("PATCH", _place(vocabulary, label), dict(changes))


def try_remove_label(vocabulary: str, label: str) -> Call[Effect]:
    """Return what :meth:`remove_label` would do to the tags; nothing is changed."""
    return _try("DELETE", _place(vocabulary, label))


def try_remove(name: str) -> Call[Effect]:
    """Return what :meth:`remove` would do to the tags; nothing is changed."""
    return _try("DELETE", _place(name))


def _change(
    method: str,
    path: str,
    fields: dict[str, Any] | None = None,
    expected: Collection[str] | None = None,
    *,
    rescore: bool,
    wait: bool,
) -> Call[Reanalysis] | Call[Job]:
    if not (rescore or wait):
        raise UsageError(
            "there is nothing to wait for where rescore=False leaves the tags as they are: say one of the two"
        )

    def done(response: httpx.Response) -> Reanalysis:
        return in_field("rescored", Reanalysis)(response) if rescore else Reanalysis()

    headers, params = only_where(expected), {"rescore": rescore, "wait": wait}
    sent: dict[str, Any] = {"method": method, "path": path, "params": params, "json": fields, "headers": headers}
    if wait:
        return Call(**sent, read=done, changes=True)
    return Call(**sent, read=as_kind(Job), changes=True)


def _try(method: str, path: str, fields: dict[str, Any] | None = None) -> Call[Effect]:
    return Call(
        method=method, path=path, params={"dry_run": True}, json=fields, read=in_field("effect", Effect), changes=True
    )


def _plain(labels: Sequence[Label]) -> list[Any]:
    return [msgspec.to_builtins(label) for label in labels]


def _place(vocabulary: str, label: str | None = None) -> str:
    labels = () if label is None else ("labels", label)
    return address("vocabularies", vocabulary, *labels)
