"""/v1/keys: the keys of the library, for who has an admin key."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Controller, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from opsin.library import Key, NewKey, Scope
from opsin.web.access import ADMIN
from opsin.web.problems import problem_responses
from opsin.web.service import Service


class NewKeyRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom the key is for, and what it allows."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    scope: Scope = "read"


class KeyList(msgspec.Struct, frozen=True):
    """Every key, oldest first."""

    keys: tuple[Key, ...]


class KeysController(Controller):
    """Keys."""

    path = "/v1/keys"
    tags = ["keys"]  # noqa: RUF012
    opt = ADMIN

    @get(responses=problem_responses(401, 403))
    async def list(self, service: NamedDependency[Service]) -> KeyList:
        """List the keys, without their secrets."""
        return KeyList(await service.run(service.keys.list))

    @post(opt={"secret": True}, responses=problem_responses(401, 403, 409, 422, body=True))
    async def create(self, service: NamedDependency[Service], data: JSONBody[NewKeyRequest]) -> Response[NewKey]:
        """Make a key. Its secret, `key`, is in this answer and nowhere else."""
        made = await service.run(lambda: service.keys.create(data.name, data.scope))
        return Response(made, headers={"Cache-Control": "no-store"})

    @delete("/{key_id:str}", status_code=200, responses=problem_responses(401, 403, 404))
    async def revoke(self, service: NamedDependency[Service], key_id: FromPath[str]) -> Key:
        """Take a key away: it opens nothing from now on."""
        return await service.run(lambda: service.keys.revoke(key_id))
