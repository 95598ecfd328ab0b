"""Nothing phones home: no connection leaves the machine, no file is written outside the library and the cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from opsin.testing import jpeg_bytes, make_picture

CALLS = "connect,sendto,openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat"
LOCAL = re.compile(r"AF_UNIX|AF_NETLINK|127\.0\.0\.1|\"::1\"|AF_UNSPEC")
CREATES = re.compile(r'(?:openat|open|creat)\((?:AT_FDCWD(?:<[^>]*>)?, )?"([^"]+)", [^)]*O_CREAT')
NAMES = re.compile(r'(?:mkdir|rename|link|symlink)\w*\([^"]*"([^"]+)"(?:.*?"([^"]+)")?')


def traced(folder: Path, cache: Path, trace: Path, *arguments: str) -> None:
    """Run `opsin` under strace, away from the user's home, and as if outside CI."""
    environment = {name: value for name, value in os.environ.items() if name not in {"CI", "OPSIN_CACHE", "OPSIN_HOME"}}
    environment |= {
        "HOME": str(folder / "home"),
        "OPSIN_CACHE": str(cache),
        "TMPDIR": str(folder / "tmp"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [
        sys.executable,
        "-c",
        "from opsin.cli import main; main()",
        *arguments,
        "--library",
        str(folder / "library"),
    ]
    shown = ["strace", "-f", "-qq", "-e", f"trace={CALLS}", "-o", str(trace), *command]
    done = subprocess.run(shown, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def failing(line: str) -> bool:
    return re.search(r"= -1 E(?!INPROGRESS)", line) is not None


@pytest.mark.timeout(280)
def test_adding_and_searching_with_the_starter_leaves_nothing_behind_and_calls_nobody(
    tmp_path: Path, cache_of_the_tests: Path
) -> None:
    if shutil.which("strace") is None:
        if os.environ.get("CI"):
            pytest.fail("CI has to have strace: .ci/run installs it")
        pytest.skip("strace is not installed")
    for name in ("home", "tmp", "photos"):
        (tmp_path / name).mkdir()
    (tmp_path / "photos" / "red.jpg").write_bytes(jpeg_bytes(make_picture("red", size=300)))
    lines: list[str] = []
    for number, arguments in enumerate(
        (["init", "--encoder", "starter"], ["add", "photos"], ["search", "red", "--all"])
    ):
        trace = tmp_path / f"trace-{number}"
        traced(tmp_path, cache_of_the_tests, trace, *arguments)
        lines += trace.read_text("utf-8", "replace").splitlines()
    assert any("catalogue.sqlite" in line for line in lines), "the trace shows nothing, so it proves nothing"
    talks = [line for line in lines if re.search(r"\b(connect|sendto)\(", line) and "sa_family" in line]
    assert [line for line in talks if not LOCAL.search(line)] == []
    places = (str(tmp_path / "library"), str(tmp_path / "tmp"), str(cache_of_the_tests))
    allowed = (*places, "/dev/", "/proc/", "library", "photos")
    written = {
        name
        for line in lines
        if not failing(line) and (found := CREATES.search(line) or NAMES.search(line))
        for name in found.groups()
        if name
    }
    assert sorted(name for name in written if not name.startswith(allowed)) == []
    assert list((tmp_path / "home").iterdir()) == []
    # torch makes this folder when OpenVINO converts a network; it is empty and not ours to move.
    left = [path.name for path in (tmp_path / "tmp").iterdir() if not path.name.startswith("torchinductor")]
    assert left == []
