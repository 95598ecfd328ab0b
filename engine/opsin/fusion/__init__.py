"""From reports to tags: pure functions, no I/O. What the scores mean is in docs/scores.md."""

from opsin.fusion.pooling import FLOOR, SILENT_WEIGHT, Fused, Source, fuse, log_odds, unjudged
from opsin.fusion.tagging import ALGORITHM, Standing, bar, by_label, implying, standing, synonyms_of, tags

__all__ = [
    "ALGORITHM",
    "FLOOR",
    "SILENT_WEIGHT",
    "Fused",
    "Source",
    "Standing",
    "bar",
    "by_label",
    "fuse",
    "implying",
    "log_odds",
    "standing",
    "synonyms_of",
    "tags",
    "unjudged",
]
