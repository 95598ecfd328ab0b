"""The index is usable alone: its README is true, and it imports nothing but numpy and faiss."""

from __future__ import annotations

import ast
import doctest
import subprocess
import sys
from pathlib import Path

import pytest

import opsin_index

PACKAGE = Path(opsin_index.__file__).parent
DOCS = Path(__file__).parents[2] / "docs"


def modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules, sep='\\n')"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


@pytest.mark.parametrize("page", [PACKAGE / "README.md", DOCS / "index.md"], ids=lambda page: page.name)
def test_every_example_of_a_page_gives_what_the_page_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = doctest.testfile(str(page), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 0
    assert result.failed == 0


def test_importing_the_package_loads_neither_numpy_nor_faiss() -> None:
    assert not modules_after("import opsin_index") & {"numpy", "faiss"}


def test_using_the_package_loads_nothing_of_opsin() -> None:
    loaded = modules_after("from opsin_index import Index")
    assert {"numpy", "faiss"} <= loaded
    assert not {name for name in loaded if name == "opsin" or name.startswith("opsin.")}


def test_the_package_imports_only_numpy_and_faiss_and_the_standard_library() -> None:
    found = set()
    for file in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add((node.module or "").partition(".")[0])
    assert found - set(sys.stdlib_module_names) == {"numpy", "faiss", "opsin_index"}


def test_nothing_in_the_package_can_unpickle() -> None:
    for file in PACKAGE.glob("*.py"):
        text = file.read_text()
        assert "import pickle" not in text
        assert "np.load" not in text
        assert "allow_pickle" not in text
