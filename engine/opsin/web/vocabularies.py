"""/v1/vocabularies: the labels that a library tags with, changed or only tried out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, cast

import msgspec
from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from opsin.errors import UnknownName
from opsin.library import Effect, Job, LabelChanges, Reanalysis, VocabularySummary
from opsin.model import Label, Vocabulary
from opsin.web.access import ADMIN, READ
from opsin.web.caching import known_or, named
from opsin.web.jobs import accepted
from opsin.web.problems import problem_responses
from opsin.web.service import Service

AnyRequest = Request[Any, Any, Any]
_PROBLEMS = problem_responses(400, 401, 403, 404)
_CHANGING = problem_responses(400, 401, 403, 404, 409, 412, body=True)
DryRun = FromQuery[Annotated[bool, QueryParameter(description="Change nothing, and say what the change would do.")]]
Rescore = FromQuery[Annotated[bool, QueryParameter(description="Bring the tags of all pictures up to the change.")]]
Wait = FromQuery[Annotated[bool, QueryParameter(description="Answer when that is done, else at once with a job.")]]
Texts = list[str] | msgspec.UnsetType | None


class NewVocabulary(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A vocabulary to make of ``labels``; without them, the one of that name that a plugin ships."""

    name: str
    labels: list[Label] | None = None
    summary: str = ""


class LabelFields(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Fields of a label: null takes a field away, what is left out stays."""

    name: str | msgspec.UnsetType | None = msgspec.UNSET
    prompts: Texts = msgspec.UNSET
    negatives: Texts = msgspec.UNSET
    synonyms: Texts = msgspec.UNSET
    parents: Texts = msgspec.UNSET
    threshold: dict[str, float] | msgspec.UnsetType | None = msgspec.UNSET
    unseen: Texts = msgspec.UNSET
    names: dict[str, str] | msgspec.UnsetType | None = msgspec.UNSET
    group: str | msgspec.UnsetType | None = msgspec.UNSET

    def changes(self) -> LabelChanges:
        """Return the fields that are to change."""
        return cast("LabelChanges", msgspec.to_builtins(self))


class Vocabularies(msgspec.Struct, frozen=True):
    """The vocabularies, by name, first those in use; and the words that two of these take for different labels."""

    vocabularies: Sequence[VocabularySummary]
    disputed_words: Sequence[str]


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a change: ``effect`` what it would do, where it was a dry run, else ``rescored`` what it did.

    ``revision`` is that of the vocabulary by now, null where it is gone, or was not made. ``disputed_words`` says which
    words two vocabularies take for different labels since the change, and which of these counts.
    """

    vocabulary: str
    revision: str | None
    effect: Effect | None = None
    rescored: Reanalysis | None = None
    disputed_words: Sequence[str] = ()


def _answers(status: int) -> dict[int, ResponseSpec]:
    return {
        status: ResponseSpec(Changed, description="Done", generate_examples=False),
        202: ResponseSpec(Job, description="With `wait=false`: a job scores again", generate_examples=False),
    }


_TRIED = {200: ResponseSpec(Changed, description="With `dry_run`: nothing was done", generate_examples=False)}


class VocabulariesController(Controller):
    """Vocabularies; to change them needs an admin key."""

    path = "/v1/vocabularies"
    tags = ["vocabularies"]  # noqa: RUF012
    opt = READ

    @get(responses=_PROBLEMS)
    async def list(self, service: NamedDependency[Service]) -> Vocabularies:
        """List the vocabularies in use, and those that plugins ship besides."""
        known = service.library.vocabularies
        return await service.run(lambda: Vocabularies(known.summaries(), known.disputed_words()))

    @post(opt=ADMIN, responses=_CHANGING | _answers(201) | _TRIED)
    async def create(
        self,
        service: NamedDependency[Service],
        data: JSONBody[NewVocabulary],
        dry_run: DryRun = False,
        rescore: Rescore = True,
        wait: Wait = True,
    ) -> Response[Changed] | Response[Job]:
        """Make a vocabulary of labels, or take in one that a plugin ships."""
        known, name, labels = service.library.vocabularies, data.name, data.labels
        if dry_run:
            return Response(await _tried(service, name, lambda: known.try_add(name, labels)), status_code=200)

        def make() -> Vocabulary:
            if labels is None:
                return known.add_shipped(name)
            return known.create(name, labels, summary=data.summary)

        return await _done(service, name, make, rescore=rescore, wait=wait, status=201)

    @get("/{vocabulary:str}", responses=_PROBLEMS)
    async def show(
        self, request: AnyRequest, service: NamedDependency[Service], vocabulary: FromPath[str]
    ) -> Response[Vocabulary]:
        """Show a vocabulary with its labels. Its `ETag` is its revision, which changes with anything that is shown."""
        found = await service.run(lambda: service.library.vocabularies.get(vocabulary))
        return known_or(request, found.revision, found)

    @post("/{vocabulary:str}/rescore", status_code=202, opt=ADMIN, responses=_CHANGING)
    async def rescore(self, service: NamedDependency[Service], vocabulary: FromPath[str]) -> Response[Job]:
        """Have a job bring the tags of all pictures up to a vocabulary, as after changes with `rescore=false`."""
        return accepted(await service.run(lambda: service.library.jobs.rescore(vocabulary)))

    @delete("/{vocabulary:str}", status_code=200, opt=ADMIN, responses=_CHANGING)
    async def remove(
        self,
        request: AnyRequest,
        service: NamedDependency[Service],
        vocabulary: FromPath[str],
        dry_run: DryRun = False,
    ) -> Changed:
        """Take a vocabulary away, with the tags that rest on it alone; with `If-Match`, only where it is what the caller saw."""
        known, expected = service.library.vocabularies, named(request.headers.get("if-match"))
        if dry_run:
            return await _tried(service, vocabulary, lambda: known.try_remove(vocabulary))
        await service.run_pictures(lambda: known.remove(vocabulary, expected=expected))
        return Changed(vocabulary=vocabulary, revision=None)


class LabelsController(Controller):
    """Labels of a vocabulary; to change them needs an admin key."""

    path = "/v1/vocabularies/{vocabulary:str}/labels"
    tags = ["vocabularies"]  # noqa: RUF012
    opt = READ

    @get("/{label:str}", responses=_PROBLEMS)
    async def show(
        self, request: AnyRequest, service: NamedDependency[Service], vocabulary: FromPath[str], label: FromPath[str]
    ) -> Response[Label]:
        """Show a label. Its `ETag` is the revision of the vocabulary."""
        known = await service.run(lambda: service.library.vocabularies.get(vocabulary))
        found = known.by_id.get(label)
        if found is None:
            msg = f"the vocabulary {vocabulary!r} has no label {label[:100]!r}"
            raise UnknownName(msg)
        return known_or(request, known.revision, found)

    @patch("/{label:str}", opt=ADMIN, responses=_CHANGING | _answers(200))
    async def change(
        self,
        request: AnyRequest,
        service: NamedDependency[Service],
        vocabulary: FromPath[str],
        label: FromPath[str],
        data: JSONBody[LabelFields],
        dry_run: DryRun = False,
        rescore: Rescore = True,
        wait: Wait = True,
    ) -> Response[Changed] | Response[Job]:
        """Change a label, or make it; with `If-Match`, only where the vocabulary is what the caller saw."""
        known, expected = service.library.vocabularies, named(request.headers.get("if-match"))
        if dry_run:
            tried = await _tried(service, vocabulary, lambda: known.try_edit_label(vocabulary, label, **data.changes()))
            return Response(tried)
        return await _done(
            service,
            vocabulary,
            lambda: known.edit_label(vocabulary, label, expected=expected, **data.changes()),
            rescore=rescore,
            wait=wait,
        )

    @delete("/{label:str}", status_code=200, opt=ADMIN, responses=_CHANGING | _answers(200))
    async def remove(
        self,
        request: AnyRequest,
        service: NamedDependency[Service],
        vocabulary: FromPath[str],
        label: FromPath[str],
        dry_run: DryRun = False,
        rescore: Rescore = True,
        wait: Wait = True,
    ) -> Response[Changed] | Response[Job]:
        """Take a label out of its vocabulary; with `If-Match`, only where that is what the caller saw."""
        known, expected = service.library.vocabularies, named(request.headers.get("if-match"))
        if dry_run:
            return Response(await _tried(service, vocabulary, lambda: known.try_remove_label(vocabulary, label)))
        return await _done(
            service,
            vocabulary,
            lambda: known.remove_label(vocabulary, label, expected=expected),
            rescore=rescore,
            wait=wait,
        )


async def _tried(service: Service, name: str, effect: Callable[[], Effect]) -> Changed:
    """Try a change out."""

    def run() -> Changed:
        found = effect()
        revisions = {each.name: each.revision for each in service.library.vocabularies.list()}
        return Changed(vocabulary=name, revision=revisions.get(name), effect=found)

    return await service.run_pictures(run)


async def _done(
    service: Service, name: str, change: Callable[[], Vocabulary], *, rescore: bool, wait: bool, status: int = 200
) -> Response[Changed] | Response[Job]:
    """Make a change, and bring the tags up to it, at once or by a job; the ``ETag`` is the vocabulary's."""
    library = service.library

    def run() -> Response[Changed] | Response[Job]:
        before = library.vocabularies.disputed_words()
        revision = change().revision
        disputed = [each for each in library.vocabularies.disputed_words() if each not in before]
        if rescore and not wait:
            answer = accepted(library.jobs.rescore(name))
            answer.headers["ETag"] = f'"{revision}"'
            return answer
        done = library.vocabularies.rescore(name) if rescore else None
        changed = Changed(vocabulary=name, revision=revision, rescored=done, disputed_words=disputed)
        return Response(changed, status_code=status)

    return await service.run_pictures(run)
