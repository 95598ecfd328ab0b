"""What OpenAPI says of the parameters that mean the same wherever they stand; a handler says what means another thing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PARAMETERS: Mapping[str, str] = {
    "asset_id": "The id of an asset; /v1/assets/named finds one by any of its names.",
    "cursor": "Continues a list: the `cursor` of the page before, with everything else as it was asked then.",
    "everything": "Show also what the cut-off holds for no match.",
    "explain": "Say of each hit where its place comes from.",
    "export_id": "The id of an export, which is that of its job.",
    "facets": "What to count all that is found by; may be repeated.",
    "format": "The file format of the preview.",
    "hybrid": "Find also by names, captions and tags.",
    "job_id": "The id of a job.",
    "key_id": "The id of a key, which is no secret.",
    "label": "The id of a label.",
    "limit": "At most so many entries.",
    "order": "Ascending or descending.",
    "owner": "An owner, as was said when pictures were added.",
    "public_id": "The public id of an asset; it may hold slashes.",
    "q": "Words for what the pictures show.",
    "search_id": "The id of a saved search.",
    "sort": "What to sort by: the time of adding or of the last change, the name, or the time of taking.",
    "tag": "A tag: the id, the name or a synonym of its label.",
    "threshold": "The least cosine of two pictures that look nearly the same.",
    "vocabulary": "The name of a vocabulary.",
    "webhook_id": "The id of a webhook.",
    "where": (
        "A condition, such as `tag=dog|cat`, `owner=ann`, `width>=800` or `taken>=2024-06`; may be repeated, and then "
        "all have to hold."
    ),
}


def describe_parameters(operation: Mapping[str, Any]) -> None:
    """Add to the parameters of an operation, as OpenAPI has it, what is said of them here and nowhere else."""
    for parameter in operation.get("parameters", ()):
        if told := PARAMETERS.get(parameter["name"]):
            parameter.setdefault("description", told)
