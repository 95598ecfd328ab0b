"""The suites that ship fail an object that breaks the contract, with a message that names what is wrong."""

from __future__ import annotations

import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest

HEAD = """
import itertools
import numpy as np
from opsin import Categorizer, Label, Match, Matches, Vocabulary
from opsin.testing import CategorizerContract, EncoderContract, FakeEncoder

class Good(Categorizer):
    id = "good"
    revision = "1"
    vocabulary = Vocabulary(name="good", labels=(Label(id="seen"), Label(id="other")))
    needs = frozenset({"embedding"})

    def categorize(self, batch):
        return [Matches((Match("seen", 0.5 + item.features["embedding"][0] / 2),)) for item in batch]
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

WRONG_CATEGORIZERS = {
    "revision = 1": "revision must be a non-empty str",
    "needs = ()": "needs must be a non-empty frozenset",
    "vocabulary = ('seen',)": "vocabulary must be an opsin.Vocabulary or 'any'",
    "def categorize(self, batch): return super().categorize(batch)[1:]": "must return a list of",
    "def categorize(self, batch): return [Matches((Match('seen', 2.0),)) for _ in batch]": "must lie in 0..1",
    "def categorize(self, batch): return [Matches((Match('what', 0.5),)) for _ in batch]": "is not in the categorizer's",
    "counter = itertools.count()\n    "
    "def categorize(self, batch): return [Matches((Match('seen', next(self.counter) % 7 / 7),)) for _ in batch]": (
        "test_an_item_has_the_same_scores_in_any_batch_and_order"
    ),
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
    "languages = 'en'": "languages must be a non-empty tuple",
    "def background(self): return np.zeros((2, 3), np.float32)": "background() must return an array of shape (n, 64)",
}


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return what pytest says of each suite's failed tests, by the suite's name."""
    folder = tmp_path_factory.mktemp("contracts")
    code = HEAD + CATEGORIZER.format("Good", "pass") + ENCODER.format("Good", "pass")
    code += "".join(CATEGORIZER.format(number, body) for number, body in enumerate(WRONG_CATEGORIZERS))
    code += "".join(ENCODER.format(number, body) for number, body in enumerate(WRONG_ENCODERS))
    (folder / "test_mine.py").write_text(code, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=out.xml", "test_mine.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (folder / "out.xml").exists(), done.stdout
    said: dict[str, str] = {}
    for case in ET.parse(folder / "out.xml").iter("testcase"):
        name = case.attrib["classname"].rpartition(".")[2]
        texts = [each.attrib.get("message", "") + (each.text or "") for each in case]
        said[name] = said.get(name, "") + "".join(f"{case.attrib['name']}: {text}" for text in texts)
    return said


def test_an_object_that_keeps_the_contract_passes(failures: dict[str, str]) -> None:
    assert failures["TestCGood"] == ""
    assert failures["TestEGood"] == ""


@pytest.mark.parametrize(
    ("suite", "message"),
    [
        *((f"TestC{number}", message) for number, message in enumerate(WRONG_CATEGORIZERS.values())),
        *((f"TestE{number}", message) for number, message in enumerate(WRONG_ENCODERS.values())),
    ],
)
def test_an_object_that_breaks_the_contract_fails(failures: dict[str, str], suite: str, message: str) -> None:
    assert message in failures[suite]
