"""What is missing is never passed over in silence: it fails in CI, and only tests/conftest.py decides that."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

FILES = sorted(Path(__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("value", ["true", "1", "yes"])
def test_what_a_machine_lacks_is_a_failure_in_ci(
    value: str, lacking: Callable[[str], NoReturn], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", value)
    with pytest.raises(pytest.fail.Exception, match="there is no such thing; CI has to have it"):
        lacking("there is no such thing")


@pytest.mark.parametrize("value", [None, "", "0", "false"])
def test_what_a_machine_lacks_is_a_skip_with_its_reason_elsewhere(
    value: str | None, lacking: Callable[[str], NoReturn], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    if value is not None:
        monkeypatch.setenv("CI", value)
    with pytest.raises(pytest.skip.Exception, match="there is no such thing"):
        lacking("there is no such thing")


@pytest.mark.parametrize(
    "name", ["importorskip", r"skipif\(", r"(environ\.get\(|environ\[|getenv\()[\"']CI[\"']", r"which\(.strace"]
)
def test_one_place_decides_what_is_passed_over(name: str) -> None:
    others = [
        path for path in FILES if path.name != "test_skips.py" and path != Path(__file__).with_name("conftest.py")
    ]
    found = [
        f"{path.name}: {line}"
        for path in others
        for line in path.read_text("utf-8").splitlines()
        if re.search(name, line)
    ]
    assert found == []
