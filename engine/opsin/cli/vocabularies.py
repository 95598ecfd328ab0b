"""Commands about vocabularies: `opsin vocabulary list|show|check|add|edit|remove`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opsin.cli.output import counted, emit, printable, progress, table, tag_changes
from opsin.cli.shared import (
    complete_label,
    complete_vocabulary,
    json_option,
    library_option,
    open_library,
    options_before_a_command,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from opsin.library import LabelChanges, Library
    from opsin.model import Label

_LISTS = {"prompt": "prompts", "negative": "negatives", "synonym": "synonyms", "parent": "parents", "unseen": "unseen"}
_CLEARABLE = ("prompts", "negatives", "synonyms", "parents", "threshold", "unseen", "names", "name", "group")


def _rescore_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--no-rescore", is_flag=True, help="Leave the tags as they are until `opsin reanalyse --missing --stale`."
    )(command)


@click.group()
@options_before_a_command
def vocabulary() -> None:
    """Show and change the labels that this library tags with."""


@vocabulary.command("list")
@library_option
@click.option("--shipped", is_flag=True, help="Show also what plugins ship and this library does not use.")
@json_option
def list_(root: Path | None, shipped: bool, as_json: bool) -> None:
    """List the vocabularies of the library."""
    with open_library(root, readonly=True) as library:
        found = [(each, True) for each in library.vocabularies.list()]
        if shipped:
            names = {each.name for each, _ in found}
            found += [(each, False) for each in library.vocabularies.shipped() if each.name not in names]
    if as_json:
        for each, used in found:
            emit(
                {
                    "name": each.name,
                    "revision": each.revision,
                    "labels": len(each.labels),
                    "used": used,
                    "summary": each.summary,
                }
            )
        return
    rows = [
        (each.name + ("" if used else "  (not in use)"), len(each.labels), each.revision, each.summary)
        for each, used in found
    ]
    table(("vocabulary", "labels", "revision", "summary"), rows, right=("labels",), whole=("vocabulary", "revision"))


@vocabulary.command()
@click.argument("name", shell_complete=complete_vocabulary)
@click.argument("label", required=False, shell_complete=complete_label)
@library_option
@json_option
def show(name: str, label: str | None, root: Path | None, as_json: bool) -> None:
    """Show a vocabulary, or everything about one of its labels."""
    from opsin.errors import UnknownName
    from opsin.plugin.vocabulary import label_id

    with open_library(root, readonly=True) as library:
        found = library.vocabularies.get(name)
    if label is None:
        if as_json:
            emit(found)
            return
        click.echo(f"{found.name}, revision {found.revision}, {len(found.labels)} labels. {found.summary}".rstrip())
        rows = [(each.id, each.text, ", ".join(each.parents), ", ".join(each.synonyms)) for each in found.labels]
        table(("label", "name", "parents", "synonyms"), rows, whole=("label",))
        return
    entry = found.by_id.get(label_id(label))
    if entry is None:
        msg = f"the vocabulary {name!r} has no label {label!r}"
        raise UnknownName(msg)
    _show_label(entry, as_json=as_json)


def _show_label(label: Label, *, as_json: bool) -> None:
    if as_json:
        emit(label)
        return
    facts = [
        ("label", label.id),
        ("name", label.text),
        ("prompts", "; ".join(label.prompts) or f"the usual sentences around {label.text!r}"),
        ("negatives", "; ".join(label.negatives)),
        ("synonyms", ", ".join(label.synonyms)),
        ("parents", ", ".join(label.parents)),
        ("threshold", ", ".join(f"{space} {value:g}" for space, value in label.threshold.items())),
        ("unseen", ", ".join(label.unseen)),
        ("names", ", ".join(f"{code} {text}" for code, text in label.names.items())),
        ("group", label.group),
    ]
    for field, value in facts:
        if value:
            click.echo(f"{field:<9}  {printable(value)}")


@vocabulary.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@library_option
@json_option
def check(files: tuple[Path, ...], root: Path | None, as_json: bool) -> int:
    """Check vocabulary files (TOML), or those of the library where none is named."""
    import opsin

    if files:
        problems = [problem for path in files for problem in opsin.check_vocabulary(path)]
        warnings = opsin.disputed_words(*files)
    else:
        with open_library(root, readonly=True) as library:
            problems, warnings = list(library.vocabularies.check()), library.vocabularies.disputed_words()
    if as_json:
        emit({"sound": not problems, "problems": problems, "warnings": warnings})
        return 1 if problems else 0
    for line in (*problems, *(f"warning: {warning}" for warning in warnings)):
        click.echo(printable(line))
    click.echo(f"{counted(len(problems), 'problem')}." if problems else "All is well.")
    return 1 if problems else 0


@vocabulary.command()
@click.argument("source", metavar="FILE_OR_NAME")
@library_option
@click.option("--empty", is_flag=True, help="Begin a new vocabulary of this name, to be filled with `edit`.")
@_rescore_option
@json_option
def add(source: str, root: Path | None, empty: bool, no_rescore: bool, as_json: bool) -> int:
    """Take a vocabulary into the library: a TOML file, or the name of one that a plugin ships."""
    with open_library(root) as library:
        added = library.vocabularies.create(source) if empty else library.vocabularies.add(source)
        told = {"vocabulary": added.name, "labels": len(added.labels), "revision": added.revision}
        said = f"Added the vocabulary {added.name} with {len(added.labels)} labels."
        return _finish(library, added.name, said, told, rescore=not (empty or no_rescore), as_json=as_json)


@vocabulary.command()
@click.argument("name", shell_complete=complete_vocabulary)
@click.argument("label", shell_complete=complete_label)
@library_option
@click.option("--prompt", multiple=True, help="A text that describes the label; may be repeated.")
@click.option("--negative", multiple=True, help="A text that describes a look-alike; may be repeated.")
@click.option("--synonym", multiple=True, help="Another word for it; may be repeated.")
@click.option("--parent", multiple=True, help="A label that it implies; may be repeated.")
@click.option(
    "--unseen", multiple=True, metavar="SPACE", help="An encoder's space that cannot see it; may be repeated."
)
@click.option(
    "--threshold", multiple=True, metavar="[SPACE=]T", help="The standardised margin that scores 0.5; may be repeated."
)
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="[LANGUAGE=]TEXT",
    help="Its readable name, or its name in a language, e.g. de=Hund.",
)
@click.option("--group", help="The heading under which it stands.")
@click.option("--clear", multiple=True, type=click.Choice(_CLEARABLE), help="Empty this field first; may be repeated.")
@_rescore_option
@json_option
def edit(
    name: str,
    label: str,
    root: Path | None,
    clear: tuple[str, ...],
    no_rescore: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Change a label, or make it where there is none; the library is scored again at once.

    \b
    opsin vocabulary edit everyday dog --synonym doggy --name de=Hund
    opsin vocabulary edit everyday dog --clear prompts --prompt "a photo of a dog"
    """
    from opsin.plugin.vocabulary import label_id

    with open_library(root) as library:
        before = library.vocabularies.get(name).by_id.get(label_id(label))
        changes = _changes(before, clear, options)
        if before is not None and not changes:
            raise click.UsageError("say what to change, e.g. --synonym WORD; `opsin vocabulary edit --help` lists it")
        changed = library.vocabularies.edit_label(name, label, **changes)
        told = {"vocabulary": name, "label": changed.by_id[label_id(label)], "revision": changed.revision}
        said = f"{'Changed' if before else 'Made'} the label {label_id(label)} of {name}."
        if not as_json:
            _say_shipped(library, name)
        return _finish(library, name, said, told, rescore=not no_rescore, as_json=as_json)


@vocabulary.command()
@click.argument("name", shell_complete=complete_vocabulary)
@click.argument("label", required=False, shell_complete=complete_label)
@library_option
@_rescore_option
@json_option
def remove(name: str, label: str | None, root: Path | None, no_rescore: bool, as_json: bool) -> int:
    """Take a vocabulary out of the library, or one label out of a vocabulary."""
    with open_library(root) as library:
        if label is None:
            library.vocabularies.remove(name)
            return _finish(
                library, name, f"Removed the vocabulary {name}.", {"vocabulary": name}, rescore=False, as_json=as_json
            )
        changed = library.vocabularies.remove_label(name, label)
        told = {"vocabulary": name, "revision": changed.revision}
        if not as_json:
            _say_shipped(library, name)
        return _finish(
            library, name, f"Removed the label {label} of {name}.", told, rescore=not no_rescore, as_json=as_json
        )


def _finish(library: Library, name: str, said: str, told: dict[str, Any], *, rescore: bool, as_json: bool) -> int:
    """Score the library again where asked to, and say what became of it."""
    from opsin.library import Reanalysis

    if not as_json:
        click.echo(said)
    done = Reanalysis()
    if rescore and library.count():
        with progress(show=not as_json) as bar:
            plan = library.vocabularies.plan_rescore(name)
            task = bar.add_task("Scoring again", total=len(plan), rate="")
            done = library.reanalyse(plan, progress=lambda _: bar.advance(task))
    if as_json:
        counts = {
            "rescored": done.contents,
            "changed": done.changed,
            "tags_added": done.tags_added,
            "tags_removed": done.tags_removed,
            "problems": done.problems,
        }
        emit({**told, **counts})
        return 5 if done.problems else 0
    if done.contents:
        changes = tag_changes(done.tags_added, done.tags_removed)
        click.echo(f"{counted(done.contents, 'picture')} scored again from stored features: {changes}.")
    if done.problems:
        click.echo(
            f"{counted(done.problems, 'picture')} could not be: `opsin reanalyse --missing --stale` says why.", err=True
        )
    return 5 if done.problems else 0


def _say_shipped(library: Library, name: str) -> None:
    """Where a plugin ships a vocabulary of this name, say that the library's copy is another one now."""
    offered = next((each for each in library.vocabularies.shipped() if each.name == name), None)
    if offered is None or offered == library.vocabularies.get(name):
        return
    click.echo(
        f"Only this library's copy of {name} is changed. To have the shipped one back, without any change of yours: "
        f"`opsin vocabulary remove {name}`, then `opsin vocabulary add {name}`."
    )


def _changes(before: Label | None, clear: tuple[str, ...], options: dict[str, Any]) -> LabelChanges:
    """Return the fields to set: what is given is added to what stands, unless that is cleared first."""

    def stands(field: str) -> Any:
        return None if before is None or field in clear else getattr(before, field)

    changes: dict[str, Any] = dict.fromkeys(clear)
    for option, field in _LISTS.items():
        if options[option]:
            changes[field] = list(dict.fromkeys([*(stands(field) or ()), *options[option]]))
    if options["threshold"]:
        given = [_pair(text, "default", "--threshold") for text in options["threshold"]]
        changes["threshold"] = {**(stands("threshold") or {}), **{space: _number(value) for space, value in given}}
    for text in options["names"]:
        language, value = _pair(text, "", "--name")
        if language:
            changes["names"] = {**(changes.get("names") or stands("names") or {}), language: value}
        else:
            changes["name"] = value
    if options["group"] is not None:
        changes["group"] = options["group"]
    return changes  # type: ignore[return-value]  # the keys are the options' own


def _pair(text: str, key: str, option: str) -> tuple[str, str]:
    head, equals, rest = text.partition("=")
    found = (head.strip(), rest.strip()) if equals else (key, text.strip())
    if not found[1] or (equals and not found[0]):
        msg = f"{text!r} lacks a value"
        raise click.BadParameter(msg, param_hint=option)
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        msg = f"{text!r} is no number"
        raise click.BadParameter(msg, param_hint="--threshold") from None


COMMANDS = (vocabulary,)
