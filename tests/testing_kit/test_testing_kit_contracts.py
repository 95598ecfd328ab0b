"""The suites that ship fail an object that breaks the contract, with a message that names what is wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest

HEAD = """
import itertools
import numpy as np
from opsin import Categorizer, Extractor, Feature, Label, Match, Matches, Vocabulary
from opsin.testing import CategorizerContract, EncoderContract, ExtractorContract, FakeEncoder

class Good(Categorizer):
    id = "good"
    revision = "1"
    vocabulary = Vocabulary(name="good", labels=(Label(id="seen"), Label(id="other")))
    needs = frozenset({"embedding"})

    def categorize(self, batch):
        return [Matches((Match("seen", 0.5 + item.features["embedding"][0] / 2),)) for item in batch]

class Means(Extractor):
    name = "means"
    revision = "1"
    features = (Feature("mean", (3,)), Feature("size", (2,)))
    min_side = 8

    def extract(self, frames):
        means = [np.asarray(frame.pixels.mean(axis=(0, 1)), np.float32) / 255 for frame in frames]
        return [{"mean": mean, "size": np.ones(2, np.float32)} for mean in means]
"""

CATEGORIZER = """
class C{0}(Good):
    {1}

class TestC{0}(CategorizerContract):
    categorizer = staticmethod(C{0})
"""

ENCODER = """
class E{0}(FakeEncoder):
    {1}

class TestE{0}(EncoderContract):
    encoder = staticmethod(E{0})
"""

EXTRACTOR = """
class X{0}(Means):
    {1}

class TestX{0}(ExtractorContract):
    extractor = staticmethod(X{0})
"""

BATCH = "test_the_same_picture_gives_the_same_features_in_any_batch"
PIXELS = "test_it_leaves_the_pixels_as_they_are"
EVERY_FEATURE = "test_it_gives_every_feature_for_every_frame"
SCORES = "test_an_item_has_the_same_scores_in_any_batch_and_order"
ITEMS = "test_it_leaves_its_items_as_they_are"

WRONG_EXTRACTORS = {
    "def extract(self, frames):\n"
    "        rows = super().extract(frames)\n"
    "        for frame in frames: frame.pixels[0] = 7\n"
    "        return rows": PIXELS,
    "def extract(self, frames): return [{**row, 'size': row['size'] * len(frames)} for row in super().extract(frames)]": (
        BATCH
    ),
    "def extract(self, frames): return [{'mean': row['mean']} for row in super().extract(frames)]": EVERY_FEATURE,
    "def extract(self, frames): return [{**row, 'more': row['mean']} for row in super().extract(frames)]": EVERY_FEATURE,
    "def extract(self, frames): return [{**row, 'mean': row['mean'] * np.nan} for row in super().extract(frames)]": (
        "not finite"
    ),
    "features = ()": "features must be a non-empty tuple",
    "def load(self, context): self.revision = '2'": "stored features are compared with it before load()",
}

ONLY = {PIXELS, BATCH, SCORES, ITEMS, "test_different_pictures_have_different_vectors"}
"""Tests that look at one thing alone: an object that is wrong in it fails them and no other."""

WRONG_CATEGORIZERS = {
    "revision = 1": "revision must be a non-empty str",
    "needs = ()": "needs must be a non-empty frozenset",
    "vocabulary = Vocabulary(name='good', labels=(Label(id='Not An Id'),))": "label 'Not An Id': an id is lower_snake_case",
    "vocabulary = ('seen',)": "vocabulary must be an opsin.Vocabulary or 'any'",
    "def categorize(self, batch): return super().categorize(batch)[1:]": "must return a list of",
    "def categorize(self, batch): return [Matches((Match('seen', 2.0),)) for _ in batch]": "must lie in 0..1",
    "def categorize(self, batch): return [Matches((Match('what', 0.5),)) for _ in batch]": "is not in the categorizer's",
    "counter = itertools.count()\n    "
    "def categorize(self, batch): return [Matches((Match('seen', next(self.counter) % 7 / 7),)) for _ in batch]": (
        "test_an_item_has_the_same_scores_in_any_batch_and_order"
    ),
    "def categorize(self, batch): return [Matches((Match('seen', 1 / len(batch)),)) for _ in batch]": SCORES,
    "def categorize(self, batch): return [Matches((Match('seen', float('nan')),)) for _ in batch]": "must lie in 0..1",
    "def categorize(self, batch): return [Matches((Match('seen', -0.01),)) for _ in batch]": "must lie in 0..1",
    "def categorize(self, batch):\n"
    "        answers = super().categorize(batch)\n"
    "        for item in batch: item.features['embedding'][:] = 0\n"
    "        return answers": ITEMS,
    "def categorize(self, batch):\n"
    "        answers = super().categorize(batch)\n"
    "        for item in batch: item.features['mine'] = 1\n"
    "        return answers": ITEMS,
    "declines = {'seen': 'it cannot'}": "test_labels_that_it_declines_are_in_its_vocabulary_and_never_scored",
    "def explain(self, item, label): return {'what': object()}": "test_it_explains_each_label_with_plain_values",
}

WRONG_ENCODERS = {
    "def encode_texts(self, texts): return 2 * super().encode_texts(texts)": "must return rows of unit length",
    "def encode_texts(self, texts): return super().encode_texts(['x'] * len(texts))": (
        "test_different_texts_have_different_vectors"
    ),
    "def extract(self, frames): return [{'embedding': 0 * r['embedding']} for r in super().extract(frames)]": (
        "an embedding must have unit length"
    ),
    "def extract(self, frames):\n"
    "        sign = 1 if len(frames) == 1 else -1\n"
    "        return [{'embedding': sign * row['embedding']} for row in super().extract(frames)]": BATCH,
    "def extract(self, frames):\n        return [{'embedding': np.eye(1, 64, dtype=np.float32)[0]} for _ in frames]": (
        "test_different_pictures_have_different_vectors"
    ),
    "languages = 'en'": "languages must be a non-empty tuple",
    "def background(self): return np.zeros((2, 3), np.float32)": "background() must return an array of shape (n, 64)",
}


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return what pytest says of each suite's failed tests, by the suite's name."""
    folder = tmp_path_factory.mktemp("contracts")
    code = HEAD + CATEGORIZER.format("Good", "pass") + ENCODER.format("Good", "pass")
    code += EXTRACTOR.format("Good", "pass")
    code += "".join(CATEGORIZER.format(number, body) for number, body in enumerate(WRONG_CATEGORIZERS))
    code += "".join(ENCODER.format(number, body) for number, body in enumerate(WRONG_ENCODERS))
    code += "".join(EXTRACTOR.format(number, body) for number, body in enumerate(WRONG_EXTRACTORS))
    (folder / "test_mine.py").write_text(code, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=out.xml", "test_mine.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (folder / "out.xml").exists(), done.stdout
    said: dict[str, str] = {}
    for case in ET.parse(folder / "out.xml").iter("testcase"):
        name = case.attrib["classname"].rpartition(".")[2]
        texts = [each.attrib.get("message", "") + (each.text or "") for each in case]
        said[name] = said.get(name, "") + "".join(f"{case.attrib['name']}: {text}\n" for text in texts)
    return said


def test_an_object_that_keeps_the_contract_passes(failures: dict[str, str]) -> None:
    assert failures["TestCGood"] == ""
    assert failures["TestEGood"] == ""
    assert failures["TestXGood"] == ""


@pytest.mark.parametrize(
    ("suite", "message"),
    [
        *((f"TestC{number}", message) for number, message in enumerate(WRONG_CATEGORIZERS.values())),
        *((f"TestX{number}", message) for number, message in enumerate(WRONG_EXTRACTORS.values())),
        *((f"TestE{number}", message) for number, message in enumerate(WRONG_ENCODERS.values())),
    ],
)
def test_an_object_that_breaks_the_contract_fails(failures: dict[str, str], suite: str, message: str) -> None:
    assert message in failures[suite]
    if message in ONLY:
        assert set(re.findall(r"^(test_\w+): ", failures[suite], re.MULTILINE)) == {message}
