"""Objects that live in this process: loads them, calls them and checks what they answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opsin.errors import ContractBroken, PluginError
from opsin.host.describe import describe, failure
from opsin.host.values import ObjectKind
from opsin.model import Vocabulary
from opsin.plugin import Categorizer, Context, Encoder, Extractor, Item
from opsin.plugin.rules import (
    check_answers,
    check_categorizer,
    check_encoder,
    check_explanation,
    check_extractor,
    check_features,
    check_rows,
    label_ids,
)

PluginObject = Extractor | Categorizer

_CHECKS: Mapping[ObjectKind, Callable[[object], PluginObject]] = {
    "encoder": check_encoder,
    "extractor": check_extractor,
    "categorizer": check_categorizer,
}


def check_object(kind: ObjectKind, item: object) -> PluginObject:
    """Return ``item`` where its attributes keep the contract of ``kind``.

    :raises ContractBroken: naming the attribute, or where one cannot even be read.
    """
    try:
        checked = _CHECKS[kind](item)
        str(getattr(checked, "runtime", ""))  # what tells how it is reads that one, too
    except ContractBroken:
        raise
    except (Exception, SystemExit) as error:
        msg = f"an attribute of {type(item).__name__} cannot be read: it raised {describe(error)}"
        raise ContractBroken(msg) from error
    return checked


def object_name(item: PluginObject) -> str:
    """Return what the object is called: a categorizer's id, an extractor's name."""
    return item.id if isinstance(item, Categorizer) else item.name


class LocalTarget:
    """One object in this process. ``rebuild`` makes a fresh one where the first could not be loaded.

    Its errors are fragments that go on after "the categorizer 'x' of the plugin 'y'".
    """

    isolated = False

    def __init__(
        self, kind: ObjectKind, item: PluginObject, *, rebuild: Callable[[], PluginObject], context: Context
    ) -> None:
        self.kind: ObjectKind = kind
        self.item = item
        self._rebuild = rebuild
        self._context = context
        self._spent = False
        self._labels: frozenset[str] | None = None

    @property
    def revision(self) -> str:
        return self.item.revision

    @property
    def runtime(self) -> str:
        return str(getattr(self.item, "runtime", ""))

    @property
    def family(self) -> str:
        return self.item.family if isinstance(self.item, Categorizer) else ""

    @property
    def declines(self) -> dict[str, str]:
        return dict(self.item.declines) if isinstance(self.item, Categorizer) else {}

    @property
    def vocabulary(self) -> Vocabulary | None:
        known = self.item.vocabulary if isinstance(self.item, Categorizer) else None
        return known if isinstance(known, Vocabulary) else None

    def load(self) -> None:
        if self._spent:
            self.item = check_object(self.kind, self._own(self._rebuild))
        self._spent = True
        before, declared = self.item.features if isinstance(self.item, Extractor) else (), self.item.revision
        self._own(self.item.load, self._context)
        check_object(self.kind, self.item)
        if isinstance(self.item, Extractor) and self.item.features != before:
            msg = f"answered wrongly: features changed from {before!r} to {self.item.features!r} while it was loaded"
            raise ContractBroken(msg)
        if self.kind == "extractor" and self.item.revision != declared:
            msg = (
                f"answered wrongly: its revision changed from {declared!r} to {self.item.revision!r} while it was loaded; "
                "what is stored is compared with it before that"
            )
            raise ContractBroken(msg)
        if isinstance(self.item, Categorizer):
            self._labels = label_ids(self.item)

    def run(self, payloads: Sequence[Any]) -> list[Any]:
        item = self.item
        if isinstance(item, Extractor):
            features = self._own(item.extract, payloads)
            return list(_checked(lambda: check_features(features, item.features, len(payloads))))
        answers = self._own(item.categorize, payloads)
        return list(_checked(lambda: check_answers(answers, self._labels, len(payloads))))

    def call(self, method: str, arguments: tuple[Any, ...]) -> Any:
        item = self.item
        if method == "encode_texts" and isinstance(item, Encoder):
            rows = self._own(item.encode_texts, *arguments)
            return _checked(lambda: check_rows(rows, len(arguments[0]), item.dim, what="encode_texts()"))
        if method == "background" and isinstance(item, Encoder):
            rows = self._own(item.background)
            return _checked(lambda: check_rows(rows, None, item.dim, what="background()"))
        if method == "explain" and isinstance(item, Categorizer):
            answer = self._own(item.explain, *arguments)
            return _checked(lambda: check_explanation(answer))
        return None

    def kill(self) -> None:
        """Do nothing: a call in this process cannot be ended."""

    def close(self) -> None:
        self._own(self.item.close)

    @staticmethod
    def _own(function: Callable[..., Any], *arguments: Any) -> Any:
        """Call the plugin's code; whatever it raises (even exiting) becomes an error of this object."""
        try:
            return function(*arguments)
        except BaseException as error:
            raise PluginError(failure(error)) from error


def _checked(check: Callable[[], Any]) -> Any:
    try:
        return check()
    except ContractBroken as error:
        msg = f"answered wrongly: {error}"
        raise ContractBroken(msg) from None


def item_of(features: Mapping[str, Any], needs: frozenset[str]) -> Item:
    """Return what a categorizer sees of stored ``features``: 16-bit floats are widened to float32."""
    import numpy as np

    return Item(
        features={
            name: features[name].astype(np.float32) if features[name].dtype == np.float16 else features[name]
            for name in needs
        }
    )
