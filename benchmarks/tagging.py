"""Measures tags on photos whose folder says what they show: how often that becomes a tag, and how many others do.

    python -m benchmarks.tagging FOLDER [--encoder starter] [--each 4]

FOLDER holds one folder a category; its name is looked up among labels and their synonyms (the end of a plural is
tried too), categories that no label means are left out. A tag counts as right where it is the category, what the category implies, or something that implies it.
Other tags are "beside": most are wrong, some are right (a wheel on a car), so it is an upper bound of what is wrong.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from opsin import Frame, Label, Report
from opsin.fusion import fuse, synonyms_of, tags
from opsin.host import Host
from opsin.plugin.vocabulary import ancestors, label_id, merge_labels
from opsin.settings import Settings, TagSettings, cache_folder
from opsin_zero_shot.vocabularies import shipped


def label_of(folder: str, labels: Mapping[str, Label], synonyms: Mapping[str, str]) -> str | None:
    """Return the label that a category's folder means."""
    for word in (label_id(folder), label_id(folder).removesuffix("s")):
        if word in labels or word in synonyms:
            return word if word in labels else synonyms[word]
    return None


def photos(root: Path, each: int) -> list[tuple[str, Path]]:
    """Return category and path of the first ``each`` photos of every category."""
    return [
        (folder.name, path)
        for folder in sorted(path for path in root.iterdir() if path.is_dir())
        for path in sorted(folder.glob("*.jpg"))[:each]
    ]


def reports_of(host: Host, path: Path) -> tuple[Report, ...]:
    with Image.open(path) as image:
        pixels = np.ascontiguousarray(np.asarray(image.convert("RGB")))
    return host.submit([Frame(pixels)]).result().reports


class Count:
    """Counts what became of one way of tagging."""

    def __init__(self) -> None:
        self.photos = self.right = self.beside = self.tags = 0

    def add(self, found: Sequence[str], truth: str, labels: Mapping[str, Label]) -> None:
        fitting = {truth, *ancestors(truth, labels)}
        below = [name for name in labels if truth in ancestors(name, labels)]
        fitting.update(below, *(ancestors(name, labels) for name in below))
        self.photos += 1
        self.right += truth in found
        self.beside += len(set(found) - fitting)
        self.tags += len(found)

    def __str__(self) -> str:
        per = max(self.photos, 1)
        return (
            f"category found {self.right / per:.3f}  beside {self.beside / per:.2f}  tags a photo {self.tags / per:.2f}"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tagging", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--encoder", default="starter")
    parser.add_argument("--each", type=int, default=1000, help="photos of each category")
    given = parser.parse_args(arguments)
    with Host(Settings(), cache=cache_folder(), encoder=given.encoder, vocabularies=shipped()) as host:
        host.start()
        labels = merge_labels(host.vocabularies.values())
        synonyms = synonyms_of(labels.values())
        judges = [name for name in host.vocabularies if name.partition("/")[0] in {"objects", "zero_shot"}]
        blind = {status.name: set(status.declines) for plugin in host.statuses() for status in plugin.objects}
        scopes = {name: set(host.vocabularies[name].by_id) - blind.get(name, set()) for name in judges}
        counts: dict[str, Count] = {name: Count() for name in [*judges, "fused"]}
        skipped = set()
        for category, path in photos(given.folder, given.each):
            truth = label_of(category, labels, synonyms)
            if truth is None:
                skipped.add(category)
                continue
            reports = [report for report in reports_of(host, path) if report.categorizer in judges]
            for name, count in counts.items():
                heard = [report for report in reports if name in {"fused", report.categorizer}]
                found = tags(fuse(heard, scopes=scopes), labels, TagSettings())
                count.add([tag.label for tag in found], truth, labels)
    for name, count in counts.items():
        print(f"{name:24s} {count}")
    print(f"{counts['fused'].photos} photos; no label means {', '.join(sorted(skipped)) or 'none of the others'}")


if __name__ == "__main__":
    main()
