"""What the contract demands of objects and of their answers: each check names the attribute or the rule that is broken."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, NoReturn

from opsin.errors import ContractBroken
from opsin.model import Declined, Match, Matches, Vocabulary
from opsin.plugin.objects import Categorizer, Encoder, Extractor, Feature, Frames
from opsin.plugin.view import View
from opsin.plugin.vocabulary import check_vocabulary

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EMBEDDING = "embedding"
UNIT_TOLERANCE = 1e-3
"""How far the length of an embedding may be from 1: float32 rows of any usual network are within 1e-6."""

_SHOWN = 3
_PLAIN = (str, bool, int, float, type(None))
"""The exact types of attributes and of what lists among them hold: a numpy float would not be stored."""


def _broken(message: str) -> NoReturn:
    raise ContractBroken(message)


def _text(item: object, attribute: str, *, empty: bool = False) -> str:
    value = getattr(item, attribute, None)
    if not isinstance(value, str) or not (value or empty):
        _broken(f"{type(item).__name__}.{attribute} must be a non-empty str, not {value!r}")
    return value


def _positive(item: object, attribute: str) -> int:
    value = getattr(item, attribute, None)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        _broken(f"{type(item).__name__}.{attribute} must be an int of at least 1, not {value!r}")
    return value


def check_extractor(extractor: object) -> Extractor:
    """Return ``extractor`` where its attributes keep the contract.

    :raises ContractBroken: naming the attribute.
    """
    if not isinstance(extractor, Extractor):
        _broken(f"{type(extractor).__name__} must be a subclass of opsin.Extractor")
    _text(extractor, "name")
    _text(extractor, "revision")
    _positive(extractor, "min_side")
    kind = type(extractor).__name__
    features = getattr(extractor, "features", None)
    if not isinstance(features, tuple) or not features or not all(isinstance(each, Feature) for each in features):
        _broken(f"{kind}.features must be a non-empty tuple of opsin.Feature, not {features!r}")
    if len({each.name for each in features}) != len(features):
        _broken(f"{kind}.features names one feature twice")
    if extractor.view is not None and not isinstance(extractor.view, View):
        _broken(f"{kind}.view must be an opsin.View or None, not {extractor.view!r}")
    return extractor


def check_encoder(encoder: object) -> Encoder:
    """Return ``encoder`` where its attributes keep the contract.

    :raises ContractBroken: naming the attribute.
    """
    if not isinstance(encoder, Encoder):
        _broken(f"{type(encoder).__name__} must be a subclass of opsin.Encoder")
    check_extractor(encoder)
    _text(encoder, "space")
    dim = _positive(encoder, "dim")
    kind = type(encoder).__name__
    shapes = {each.name: each.shape for each in encoder.features}
    if shapes.get(EMBEDDING) != (dim,):
        _broken(f"{kind}.features must hold Feature('embedding', (dim,)) with dim = {dim}, not {encoder.features!r}")
    if not isinstance(encoder.languages, tuple) or not encoder.languages:
        _broken(f"{kind}.languages must be a non-empty tuple of language codes, not {encoder.languages!r}")
    for attribute in ("logit_scale", "logit_bias"):
        value = getattr(encoder, attribute)
        if not isinstance(value, Real):
            _broken(f"{kind}.{attribute} must be a float, not {value!r}")
    return encoder


def check_categorizer(categorizer: object) -> Categorizer:
    """Return ``categorizer`` where its attributes keep the contract.

    :raises ContractBroken: naming the attribute.
    """
    if not isinstance(categorizer, Categorizer):
        _broken(f"{type(categorizer).__name__} must be a subclass of opsin.Categorizer")
    _text(categorizer, "id")
    _text(categorizer, "revision")
    _text(categorizer, "family", empty=True)
    kind = type(categorizer).__name__
    vocabulary = getattr(categorizer, "vocabulary", None)
    if vocabulary != "any" and not isinstance(vocabulary, Vocabulary):
        _broken(f"{kind}.vocabulary must be an opsin.Vocabulary or 'any', not {vocabulary!r}")
    if isinstance(vocabulary, Vocabulary) and (problems := check_vocabulary(vocabulary)):
        _broken(f"{kind}.vocabulary cannot be used: {'; '.join(map(str, problems[:_SHOWN]))}")
    needs = getattr(categorizer, "needs", None)
    named = isinstance(needs, (frozenset, set)) and bool(needs) and all(isinstance(each, str) for each in needs)
    if not named and not isinstance(needs, Frames):
        _broken(f"{kind}.needs must be a non-empty frozenset of feature names or opsin.Frames, not {needs!r}")
    if isinstance(needs, Frames) and (not isinstance(needs.min_side, int) or needs.min_side < 1):
        _broken(f"{kind}.needs.min_side must be an int of at least 1, not {needs.min_side!r}")
    if not isinstance(categorizer.declines, Mapping):
        _broken(f"{kind}.declines must map labels to reasons, not {categorizer.declines!r}")
    return categorizer


def label_ids(categorizer: Categorizer) -> frozenset[str] | None:
    """Return the labels that ``categorizer`` may answer with; None means any."""
    vocabulary = categorizer.vocabulary
    return None if vocabulary == "any" else frozenset(label.id for label in vocabulary.labels)


def check_features(answer: object, features: Sequence[Feature], count: int) -> list[dict[str, NDArray[Any]]]:
    """Return an extractor's answer for ``count`` frames, each array rounded to its feature's stored dtype.

    :raises ContractBroken: for a wrong length, a missing or unknown feature, a wrong shape or kind of number, a value
        that is not finite (before or after rounding), or an embedding whose length is not 1.
    """
    if not isinstance(answer, list) or len(answer) != count:
        size = f"a list of {len(answer)}" if isinstance(answer, list) else type(answer).__name__
        _broken(f"extract() must return a list of {count} mappings, one per frame, not {size}")
    names = {feature.name for feature in features}
    rounded = []
    for mapping in answer:
        if not isinstance(mapping, Mapping) or set(mapping) != names:
            got = sorted(map(str, mapping)) if isinstance(mapping, Mapping) else type(mapping).__name__
            _broken(f"extract() must return the features {sorted(names)} for each frame, not {got}")
        row = {feature.name: _stored(mapping[feature.name], feature) for feature in features}
        for array in row.values():
            array.setflags(write=False)  # several categorizers look at it, and then it is stored
        rounded.append(row)
    return rounded


def _stored(value: object, feature: Feature) -> NDArray[Any]:
    import numpy as np

    if not isinstance(value, np.ndarray):
        _broken(f"the feature {feature.name!r} must be a numpy array, not {type(value).__name__}")
    if value.shape != feature.shape:
        _broken(f"the feature {feature.name!r} must have the shape {feature.shape}, not {value.shape}")
    dtype = np.dtype(feature.dtype)
    if value.dtype.kind != dtype.kind or (dtype.kind == "u" and value.dtype.itemsize > dtype.itemsize):
        _broken(f"the feature {feature.name!r} must be of dtype {feature.dtype}, not {value.dtype}")
    if dtype.kind != "f":
        return value.astype(dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        stored: NDArray[Any] = value.astype(dtype)
    if not np.isfinite(stored).all():
        _broken(f"the feature {feature.name!r} holds a value that is not finite as {feature.dtype}")
    if feature.name == EMBEDDING:
        length = float(np.linalg.norm(value.astype(np.float32, copy=False)))
        if abs(length - 1) > UNIT_TOLERANCE:
            _broken(f"an embedding must have unit length, not {length:.4f}")
    return stored


def check_rows(answer: object, count: int | None, dim: int, *, what: str) -> NDArray[np.float32]:
    """Return unit rows of ``what`` as float32 (count, dim); ``count`` None means any number.

    :raises ContractBroken: for a wrong shape, a value that is not finite or a row whose length is not 1.
    """
    import numpy as np

    expected = f"({'n' if count is None else count}, {dim})"
    if not isinstance(answer, np.ndarray) or answer.dtype.kind != "f":
        _broken(f"{what} must return a float32 array of shape {expected}, not {type(answer).__name__}")
    if answer.ndim != 2 or answer.shape[1] != dim or (count is not None and answer.shape[0] != count):
        _broken(f"{what} must return an array of shape {expected}, not {answer.shape}")
    rows: NDArray[np.float32] = np.ascontiguousarray(answer, dtype=np.float32)
    if not np.isfinite(rows).all():
        _broken(f"{what} returned a value that is not finite")
    if len(rows) and float(np.abs(np.linalg.norm(rows, axis=1) - 1).max()) > UNIT_TOLERANCE:
        _broken(f"{what} must return rows of unit length")
    return rows


def check_answers(answer: object, labels: Collection[str] | None, count: int) -> list[Matches | Declined]:
    """Return a categorizer's answer for ``count`` items. ``labels`` None means that any label is allowed.

    :raises ContractBroken: for a wrong length or type, a label outside the vocabulary, a score that is not a number
        in 0..1, or attributes that are not plain values.
    """
    if not isinstance(answer, list) or len(answer) != count:
        size = f"a list of {len(answer)}" if isinstance(answer, list) else type(answer).__name__
        _broken(f"categorize() must return a list of {count} answers, one per item, not {size}")
    for each in answer:
        if isinstance(each, Declined):
            if type(each.reason) is not str:
                _broken(f"Declined.reason must be a str, not {each.reason!r}")
            continue
        if not isinstance(each, Matches):
            _broken(f"categorize() must return opsin.Matches or opsin.Declined, not {type(each).__name__}")
        for match in each.matches:
            if not (  # what nearly every match is like; the rest is looked at in detail
                type(match) is Match
                and type(match.score) is float
                and 0.0 <= match.score <= 1.0
                and type(match.label) is str
                and (match.label in labels if labels is not None else match.label)
                and not match.attributes
            ):
                _check_match(match, labels)
    return answer


def _check_match(match: object, labels: Collection[str] | None) -> None:
    if not isinstance(match, Match):
        _broken(f"Matches.matches must hold opsin.Match, not {type(match).__name__}")
    score = match.score
    if not (isinstance(score, Real) and 0.0 <= score <= 1.0):
        _broken(f"the score of {match.label!r} must lie in 0..1, not {score!r}")
    if type(match.label) is not str or not match.label:
        _broken(f"a label must be a non-empty str, not {match.label!r}")
    if labels is not None and match.label not in labels:
        _broken(f"the label {match.label!r} is not in the categorizer's vocabulary")
    if match.attributes and not (
        isinstance(match.attributes, Mapping)
        and all(type(key) is str and _plain(each) for key, each in match.attributes.items())
    ):
        _broken(f"the attributes of {match.label!r} must map names to plain values, not {match.attributes!r}")


def _plain(value: object) -> bool:
    return type(value) in _PLAIN or (type(value) is list and all(type(each) in _PLAIN for each in value))


def check_explanation(answer: object) -> dict[str, Any]:
    """Return what a categorizer explains as JSON values; numpy numbers and arrays are turned into plain ones.

    :raises ContractBroken: where it is no mapping, or holds what JSON cannot.
    """
    import msgspec

    if not isinstance(answer, Mapping):
        _broken(f"explain() must return a mapping, not {type(answer).__name__}")
    try:
        plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(answer, enc_hook=_as_plain), type=dict)
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        _broken(f"explain() must return values that JSON has: {error}")
    return plain


def _as_plain(value: object) -> object:
    import numpy as np

    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    msg = f"there is a {type(value).__name__}"
    raise TypeError(msg)
