"""/v1/exports: everything that is known of pictures, written by a job and kept for a while."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, BinaryIO
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, PathParameter
from litestar.response import Stream

from opsin.library import Export, ExportFile, Job, Wanted
from opsin.web.access import ADMIN
from opsin.web.caching import headers_for, is_known
from opsin.web.jobs import accepted
from opsin.web.problems import problem_responses
from opsin.web.service import Service

_PROBLEMS = problem_responses(400, 401, 403, 404)
_TYPES = {"jsonl": "application/x-ndjson", "parquet": "application/vnd.apache.parquet"}
_OTHER, _ANY = "application/octet-stream", "application/*"
_FILE = {
    200: ResponseSpec(bytes, description="The file", media_type=_ANY, generate_examples=False),
    304: ResponseSpec(None, description="The caller has it"),
}
_BLOCK = 1 << 20
File = FromPath[Annotated[str, PathParameter(description="One of the `files` of the export.")]]


class Exports(msgspec.Struct, frozen=True):
    """The exports that are kept, the newest first."""

    exports: Sequence[Export]


class ExportsController(Controller):
    """Exports; they hold what is known of everybody's pictures, and need an admin key."""

    path = "/v1/exports"
    tags = ["exports"]  # noqa: RUF012
    opt = ADMIN

    @post(status_code=202, responses=problem_responses(400, 401, 403, 404, body=True))
    async def create(self, service: NamedDependency[Service], data: JSONBody[Wanted]) -> Response[Job]:
        """Have an export written: one record an asset that meets `where`, and with `vectors` the embeddings in files beside.

        Its id is that of the job.
        """
        job = await service.run(
            lambda: service.library.jobs.export(where=data.where, form=data.form, vectors=data.vectors)
        )
        return accepted(job)

    @get(responses=problem_responses(401, 403))
    async def list(self, service: NamedDependency[Service]) -> Exports:
        """List the exports that are kept."""
        return Exports(await service.run(service.library.exports.list))

    @get("/{export_id:uuid}", media_type=_ANY, responses=_PROBLEMS | _FILE)
    async def records(
        self, request: Request[Any, Any, Any], service: NamedDependency[Service], export_id: FromPath[UUID]
    ) -> Response[Any]:
        """Download the records of an export."""
        return await _sent(request, service, export_id, None)

    @get("/{export_id:uuid}/{name:str}", media_type=_ANY, responses=_PROBLEMS | _FILE)
    async def file(
        self,
        request: Request[Any, Any, Any],
        service: NamedDependency[Service],
        export_id: FromPath[UUID],
        name: File,
    ) -> Response[Any]:
        """Download one of the files of an export."""
        return await _sent(request, service, export_id, name)

    @delete("/{export_id:uuid}", status_code=200, responses=_PROBLEMS)
    async def remove(self, service: NamedDependency[Service], export_id: FromPath[UUID]) -> Export:
        """Take an export away."""
        return await service.run(lambda: service.library.exports.delete(str(export_id)))


async def _sent(request: Request[Any, Any, Any], service: Service, export_id: UUID, name: str | None) -> Response[Any]:
    found, stream = await service.run(lambda: _opened(service, str(export_id), name))
    headers = headers_for(found.sha256)
    if is_known(request, found.sha256):
        stream.close()
        return Response(b"", status_code=304, headers=headers)
    headers |= {
        # Litestar 2.25 takes the handler's media type for a stream, whatever its own is.
        "Content-Type": _TYPES.get(found.name.rpartition(".")[2], _OTHER),
        "Content-Length": str(found.bytes),
        "Content-Disposition": f'attachment; filename="{export_id}.{found.name}"',
    }
    return Stream(_blocks(stream), headers=headers)


def _opened(service: Service, export: str, name: str | None) -> tuple[ExportFile, BinaryIO]:
    """Return a file, open: it is sent whole also where its export is taken away meanwhile."""
    found, path = service.library.exports.file(export, name)
    return found, path.open("rb")


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    with stream:
        while block := stream.read(_BLOCK):
            yield block
