"""The commands that change vocabularies, and score the library by them: `opsin vocabulary add|edit|remove`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opsin.cli.output import counted, emit, printable, progress, tag_changes
from opsin.cli.shared import Place, complete_label, complete_vocabulary, json_option, place_option, reach

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opsin.client import Client
    from opsin.library import LabelChanges, Library, Reanalysis
    from opsin.model import Label

_LISTS = {"prompt": "prompts", "negative": "negatives", "synonym": "synonyms", "parent": "parents", "unseen": "unseen"}
_MOST_DISPUTED = 10
_CLEARABLE = ("prompts", "negatives", "synonyms", "parents", "threshold", "unseen", "names", "name", "group")


def _rescore_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--no-rescore", is_flag=True, help="Leave the tags as they are until `opsin reanalyse --missing --stale`."
    )(command)


@click.command()
@click.argument("source", metavar="FILE_OR_NAME")
@place_option
@click.option("--empty", is_flag=True, help="Begin a new vocabulary of this name, to be filled with `edit`.")
@_rescore_option
@json_option
def add(source: str, place: Place, empty: bool, no_rescore: bool, as_json: bool) -> int:
    """Take a vocabulary into the library: a TOML file, or the name of one that a plugin ships."""
    import opsin
    from opsin.plugin.vocabulary import read_vocabulary

    file = Path(source) if not empty and source.endswith(".toml") else None
    if file is not None and not file.is_file():
        msg = f"there is no file {file}"
        raise opsin.errors.UnknownName(msg)
    read = None if file is None else read_vocabulary(file)
    name, rescore = source if read is None else read.name, not (empty or no_rescore)
    with reach(place) as there:
        disputed = there.vocabularies.disputed_words()
        if isinstance(there, opsin.Library):
            done = None
            _ = there.vocabularies.create(name) if empty else there.vocabularies.add(source)
        elif read is not None:
            done = there.vocabularies.create(name, read.labels, summary=read.summary, rescore=rescore)
        else:
            make = there.vocabularies.create if empty else there.vocabularies.add_shipped
            done = make(name, rescore=rescore)
        added = there.vocabularies.get(name)
        told = {"vocabulary": added.name, "labels": len(added.labels), "revision": added.revision}
        said = f"Added the vocabulary {added.name} with {len(added.labels)} labels."
        told |= _say_disputed(there, disputed, as_json=as_json)
        return _finish(there, name, said, told, done, rescore=rescore, as_json=as_json)


@click.command()
@click.argument("name", shell_complete=complete_vocabulary)
@click.argument("label", shell_complete=complete_label)
@place_option
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
    place: Place,
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
    import opsin
    from opsin.plugin.vocabulary import label_id

    with reach(place) as there:
        seen = there.vocabularies.get(name)
        before = seen.by_id.get(label_id(label))
        changes = _changes(before, clear, options)
        if before is not None and not changes:
            raise click.UsageError("say what to change, e.g. --synonym WORD; `opsin vocabulary edit --help` lists it")
        done, disputed = None, there.vocabularies.disputed_words()
        if isinstance(there, opsin.Library):
            there.vocabularies.edit_label(name, label, expected=[seen.revision], **changes)
        else:
            done = there.vocabularies.edit_label(
                name, label, expected=[seen.revision], rescore=not no_rescore, **changes
            )
        changed = there.vocabularies.get(name)
        told = {"vocabulary": name, "label": changed.by_id.get(label_id(label)), "revision": changed.revision}
        said = f"{'Changed' if before else 'Made'} the label {label_id(label)} of {name}."
        told |= _say_disputed(there, disputed, as_json=as_json)
        if not as_json:
            _say_measured(changed.by_id.get(label_id(label)), options["threshold"])
            _say_shipped(there, name)
        return _finish(there, name, said, told, done, rescore=not no_rescore, as_json=as_json)


@click.command()
@click.argument("name", shell_complete=complete_vocabulary)
@click.argument("label", required=False, shell_complete=complete_label)
@place_option
@_rescore_option
@json_option
def remove(name: str, label: str | None, place: Place, no_rescore: bool, as_json: bool) -> int:
    """Take a vocabulary out of the library, or one label out of a vocabulary."""
    import opsin

    with reach(place) as there:
        done = None
        if label is None:
            there.vocabularies.remove(name)
            said, gone = f"Removed the vocabulary {name}.", {"vocabulary": name}
            return _finish(there, name, said, gone, done, rescore=False, as_json=as_json)
        if isinstance(there, opsin.Library):
            there.vocabularies.remove_label(name, label)
        else:
            done = there.vocabularies.remove_label(name, label, rescore=not no_rescore)
        told = {"vocabulary": name, "revision": there.vocabularies.get(name).revision}
        if not as_json:
            _say_shipped(there, name)
        said = f"Removed the label {label} of {name}."
        return _finish(there, name, said, told, done, rescore=not no_rescore, as_json=as_json)


def _finish(
    there: Library | Client,
    name: str,
    said: str,
    told: dict[str, Any],
    done: Reanalysis | None,
    *,
    rescore: bool,
    as_json: bool,
) -> int:
    """Score the library again where asked to, which a service has ``done``, and say what became of it."""
    import opsin
    from opsin.library import Reanalysis

    if not as_json:
        click.echo(said)
    done = done or Reanalysis()
    if rescore and isinstance(there, opsin.Library) and there.count():
        try:
            with progress(show=not as_json) as bar:
                plan = there.vocabularies.plan_rescore(name)
                task = bar.add_task("Scoring again", total=len(plan), rate="")
                done = there.reanalyse(plan, progress=lambda _: bar.advance(task))
        except KeyboardInterrupt:
            click.echo(
                "The vocabulary is changed; `opsin reanalyse --stale` scores the pictures that are left.", err=True
            )
            raise
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


def _say_disputed(there: Library | Client, before: Sequence[str], *, as_json: bool) -> dict[str, Any]:
    """Tell which words two vocabularies take for different labels that did not ``before``; return it as fields."""
    found = [each for each in there.vocabularies.disputed_words() if each not in before]
    for each in () if as_json else found[:_MOST_DISPUTED]:
        click.echo(f"Note: {printable(each)}.", err=True)
    if not as_json and len(found) > _MOST_DISPUTED:
        click.echo(
            f"... and {len(found) - _MOST_DISPUTED} more such words: `opsin vocabulary check` tells them.", err=True
        )
    return {"warnings": found}


def _say_measured(label: Label | None, given: Sequence[str]) -> None:
    """Say which thresholds come before one that was given for all encoders."""
    spaces = [] if label is None else sorted(label.threshold.keys() - {"default"})
    if spaces and any("=" not in text for text in given):
        click.echo(
            f"Note: the label has thresholds of its own for {', '.join(map(printable, spaces))}, which count there; change "
            f"one by --threshold {printable(spaces[0])}=T, or leave them out by --clear threshold.",
            err=True,
        )


def _say_shipped(library: Library | Client, name: str) -> None:
    """Where a plugin ships a vocabulary of this name, say that the library's copy is another one now."""
    import opsin

    if not isinstance(library, opsin.Library):  # a service does not tell what else is shipped under this name
        return
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
