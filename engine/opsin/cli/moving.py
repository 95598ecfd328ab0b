"""Commands that move what is known out of a library and into it: `opsin export` and `opsin import`."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from opsin.cli.awaiting import finished
from opsin.cli.output import Few, counted, emit, printable, progress, say, standard_output
from opsin.cli.shared import (
    Place,
    client_of,
    json_option,
    library_option,
    open_library,
    place_option,
    where_option,
)

if TYPE_CHECKING:
    from opsin.library import Exported, ImportCounts, Imported, Served, Sidecar, SidecarCounts

_SHOWN = 20
_SIDECARS = {
    "written": "written",
    "merged": "merged",
    "unchanged": "unchanged",
    "left": "left alone",
    "skipped": "without anything to write or a file beside which to write",
    "failed": "failed",
}
_IMPORTED = {
    "updated": "updated",
    "unchanged": "unchanged",
    "unmatched": "without a picture in this library",
    "broken": "broken",
}


@click.command()
@click.argument("out", required=False, metavar="[OUT]")
@place_option
@where_option
@click.option(
    "--format", "form", type=click.Choice(["jsonl", "parquet"]), help="[default: what the ending of OUT says]"
)
@click.option("--vectors", type=click.Choice(["npy", "parquet"]), help="Write the embeddings too, beside OUT.")
@click.option("--xmp", is_flag=True, help="Write the tags into XMP sidecars beside the pictures: photo.jpg.xmp.")
@click.option("--merge", is_flag=True, help="With --xmp: add the tags to sidecars that other programs wrote.")
@click.option("--force", is_flag=True, help="Replace files that are there, and sidecars that other programs wrote.")
@json_option
def export(
    out: str | None,
    place: Place,
    where: tuple[str, ...],
    form: str | None,
    vectors: str | None,
    xmp: bool,
    merge: bool,
    force: bool,
    as_json: bool,
) -> int:
    """Write everything that is known of the pictures to OUT (- for standard output), one record a picture.

    \b
    opsin export photos.jsonl --where tag=dog
    opsin export photos.parquet --vectors npy
    opsin export --xmp
    """
    if out is None and not xmp:
        raise click.UsageError("say where to: a file, - for standard output, or --xmp")
    if merge and not xmp:
        raise click.UsageError("--merge belongs to --xmp")
    if out == "-" and xmp:
        raise click.UsageError("--xmp prints what it does: export to a file, or run the command twice")
    if xmp and place.service is not None:
        raise click.UsageError("--xmp writes beside pictures: run it where the library is, without --server")
    options: dict[str, Any] = {"where": where, "force": force}
    if out is not None:
        options |= {"form": form or _form_of(out), "vectors": vectors}
        if place.service is None:
            done = _export(place.root, out, options, quiet=as_json)
        else:
            done = _fetch(place.service, out, options, quiet=as_json)
        _say(out, done, as_json=as_json)
    beside = {"where": where, "force": force, "merge": merge}
    return _sidecars(place.root, beside, as_json=as_json) if xmp else 0


def _form_of(out: str) -> str:
    from opsin.library import form_of

    return "jsonl" if out == "-" else form_of(Path(out))


def _fetch(service: Served, out: str, options: dict[str, Any], *, quiet: bool) -> Exported:
    """Have a service write an export, fetch its files, and have it taken away there."""
    from opsin.library import Exported

    force, target = options.pop("force"), Path(out)
    if out == "-" and (options["vectors"] or options["form"] == "parquet"):
        raise click.UsageError("vectors and Parquet need files: name one instead of -")
    with client_of(service) as client, tempfile.TemporaryDirectory(prefix="opsin-") as folder:
        job = finished(client, client.jobs.export(**options), "Exporting", quiet=quiet or out == "-")
        found = client.exports.get(job.id)
        try:
            if out == "-":
                records = client.exports.download(found.id, Path(folder) / "records")
                with records.open("rb") as stream:
                    shutil.copyfileobj(stream, standard_output().buffer)
                return Exported(assets=found.assets)
            stem = target.with_suffix("") if target.suffix in {".jsonl", ".parquet", ".json"} else target
            places = [
                target,
                *(stem.with_name(stem.name + each.name.removeprefix("records")) for each in found.files[1:]),
            ]
            for each, place in zip(found.files, places, strict=True):
                client.exports.download(found.id, place, name=each.name, force=force)
        finally:
            client.exports.delete(found.id)
    return Exported(assets=found.assets, vectors=found.vectors, files=tuple(map(str, places)))


def _export(root: Path | None, out: str, options: dict[str, Any], *, quiet: bool) -> Exported:
    target: Path | BinaryIO = standard_output().buffer if out == "-" else Path(out)
    with open_library(root, readonly=True) as library, progress(show=not quiet and out != "-") as bar:
        task = bar.add_task("Exporting", total=library.count_records(where=options["where"]), rate="")
        return library.export(target, progress=lambda count: bar.update(task, completed=count), **options)


def _say(out: str, done: Exported, *, as_json: bool) -> None:
    if out == "-":
        standard_output().buffer.flush()
    elif as_json:
        emit(done)
    else:
        vectors = f" and {counted(done.vectors, 'vector')}" if done.vectors else ""
        click.echo(f"Wrote {counted(done.assets, 'picture')}{vectors} to {', '.join(done.files)}.")


def _sidecars(root: Path | None, options: dict[str, Any], *, as_json: bool) -> int:
    with open_library(root, readonly=True) as library, progress(show=not as_json) as bar:
        task = bar.add_task("Writing sidecars", total=library.count(where=options["where"]), rate="")

        def show(entry: Sidecar) -> None:
            bar.advance(task)
            if as_json:
                emit(entry)
            elif entry.status in {"left", "failed"}:
                click.secho(f"{printable(entry.path)}: {printable(entry.reason)}", fg="yellow", err=True)

        counts = library.write_sidecars(**options, progress=show)
    if not as_json:
        click.echo(f"Sidecars: {_counted(counts, _SIDECARS) or 'no picture fits'}.")
    return 1 if counts.left or counts.failed else 0


@click.command("import")
@click.argument("file", type=click.File("rb"))
@library_option
@json_option
def import_(file: BinaryIO, root: Path | None, as_json: bool) -> int:
    """Bring owners, captions, context and people's tags from a file of records (JSON lines) onto pictures that are here.

    A picture is known by its location, else by its bytes. Doing it again changes nothing more.
    """
    with open_library(root) as library, progress(show=not as_json) as bar:
        task = bar.add_task("Importing", total=None, rate="")
        few = Few(_SHOWN, "... and more lines like these; --json tells of each.")

        def show(entry: Imported) -> None:
            bar.advance(task)
            if as_json:
                emit(entry)
            elif entry.reason:
                where = f"line {entry.line}: {printable(entry.location)}{': ' if entry.location else ''}"
                few.line(where + entry.reason, problem=True)

        counts = library.import_records(file, progress=show)
    if not as_json:
        say(f"{counted(counts.total, 'record')}{': ' if counts.total else ''}{_counted(counts, _IMPORTED)}.")
    return 1 if counts.unmatched or counts.broken else 0


def _counted(counts: SidecarCounts | ImportCounts, words: dict[str, str]) -> str:
    return ", ".join(f"{count} {text}" for status, text in words.items() if (count := getattr(counts, status)))


COMMANDS = (export, import_)
