"""What Schemathesis cannot know from a schema: what is a picture, and what a tag, a public id and a search hold."""

from __future__ import annotations

import base64
from typing import Any

import schemathesis
from hypothesis import strategies

from opsin.testing import jpeg_bytes, make_picture

PICTURES = [
    f"data:image/jpeg;base64,{base64.b64encode(jpeg_bytes(make_picture(color, 'square', 32))).decode()}"
    for color in ("red", "green")
]

schemathesis.openapi.format("uri", strategies.sampled_from([*PICTURES, "https://pictures.example/", "data:,"]))


@schemathesis.hook("before_call")
def say_what_can_be_done(
    context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]
) -> None:
    """Turn what is well formed, and would be refused for a reason that no schema tells, into what is done."""
    del context, kwargs
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    body: dict[str, Any] = case.body if isinstance(case.body, dict) else {}
    label = case.operation.label
    if label in {"POST /v1/search", "POST /v1/searches"}:
        body["parts"] = [_alone(each) for each in body.get("parts", [])]
    if label == "POST /v1/assets":
        for said in (body, case.query):
            said.pop("public_id", None)
            if "tags" in said:
                said["tags"] = ["one", "two"]


def _alone(part: dict[str, Any]) -> dict[str, Any]:
    kinds = [name for name in ("text", "image", "url", "asset") if part.get(name) is not None]
    return {name: value for name, value in part.items() if name == "weight" or name in kinds[:1]} or {"text": "red"}
