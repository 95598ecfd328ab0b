"""Nothing phones home: no connection leaves the machine, no file is written outside the library and the cache."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image

from opsin.testing import make_noise, make_picture

TALKS = frozenset({"connect", "sendto", "sendmsg", "sendmmsg"})
OPENS = frozenset({"open", "openat", "openat2", "creat"})
CHANGES = frozenset(
    [
        "mkdir",
        "mkdirat",
        "mknod",
        "mknodat",
        "rename",
        "renameat",
        "renameat2",
        "link",
        "linkat",
        "symlink",
        "symlinkat",
        "unlink",
        "unlinkat",
        "rmdir",
        "truncate",
        "chmod",
        "fchmodat",
        "fchmodat2",
        "chown",
        "lchown",
        "fchownat",
        "utimensat",
        "setxattr",
        "lsetxattr",
    ]
)
CALLS = ",".join(f"?{name}" for name in sorted(TALKS | OPENS | CHANGES))
"""For strace; the question mark passes over what this kernel or this strace does not know."""
ADDRESS = re.compile(r"sa_family=[^}]*")
LOCAL = re.compile(r'sa_family=AF_(?:UNIX|NETLINK|UNSPEC)\b|inet_addr\("127\.0\.0\.1"\)|"::1"')
WHOLE = re.compile(r"(\w+)\((.*)\)\s+= (-?\d+|\?)(.*)", re.DOTALL)
NAME = re.compile(r'(?:(?:AT_FDCWD|\d+)<(?P<folder>[^>]*)>, )?"(?P<path>[^"]*)"')
WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_TMPFILE")

TEMPORARY = re.compile(r"torchinductor_\w+|[a-z0-9_]{8}")
"""What may be made in the folder for temporary files, each named in docs/settings.md: the folder that torch makes when
OpenVINO converts a network, and the file by which Python's `tempfile` tries whether it can write there at all."""


def calls(trace: Path) -> Iterator[tuple[str, str]]:
    """Yield name and arguments of each call, halves put together; those that failed only where they were to talk."""
    begun: dict[str, str] = {}
    for line in trace.read_text("utf-8", "replace").splitlines():
        process, _, text = line.partition(" ")
        text = text.lstrip()
        if text.endswith("<unfinished ...>"):
            begun[process] = text.removesuffix("<unfinished ...>").rstrip()
            continue
        if text.startswith("<..."):
            text = begun.pop(process, "") + text.partition("resumed>")[2]
        whole = WHOLE.fullmatch(text)
        if whole is not None and (not whole[3].startswith("-") or whole[1] in TALKS):
            yield whole[1], whole[2]
    for text in begun.values():  # the process ended within the call
        name, _, arguments = text.partition("(")
        yield name, arguments


def written(name: str, arguments: str, cwd: Path) -> list[str]:
    """Return the absolute paths that a call makes, changes or opens for writing."""
    if name not in CHANGES and not (name in OPENS and (name == "creat" or WRITES.search(arguments))):
        return []
    found = list(NAME.finditer(arguments))
    if name in OPENS:
        found = found[:1]
    elif name.startswith("symlink"):
        found = found[1:]  # the first is only the text that it holds
    return [os.path.normpath(Path(each["folder"] or cwd, each["path"])) for each in found]


def called(seen: list[tuple[str, str]]) -> list[str]:
    """Return the calls that were to reach another machine, whether or not they did."""
    talks = [(f"{name}({text})", ADDRESS.findall(text)) for name, text in seen if name in TALKS]
    return [call for call, addresses in talks if not all(LOCAL.search(each) for each in addresses)]


def animated(kind: str) -> bytes:
    frames = [Image.fromarray(make_picture(colour, size=120)) for colour in ("red", "green", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:], duration=50)
    return buffer.getvalue()


def still(kind: str, number: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(make_noise(number, (300, 260))).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Return a folder with a picture of every kind that can be written here."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, kind in enumerate(("JPEG", "PNG", "WEBP", "TIFF", "BMP", "AVIF")):
        (folder / f"still.{kind.lower()}").write_bytes(still(kind, number))
    pillow_heif.from_pillow(Image.fromarray(make_noise(8, (300, 260)))).save(folder / "still.heic")
    for kind in ("GIF", "WEBP", "PNG"):
        (folder / f"animated-{kind.lower()}.{kind.lower()}").write_bytes(animated(kind))
    return folder


def run(strace: str, folder: Path, cache: Path, trace: Path, *arguments: str) -> str:
    """Run `opsin` under strace, away from the user's home, and as if outside CI."""
    environment = {name: value for name, value in os.environ.items() if name not in {"CI", "OPSIN_CACHE", "OPSIN_HOME"}}
    environment |= {
        "HOME": str(folder / "home"),
        "OPSIN_CACHE": str(cache),
        "TMPDIR": str(folder / "tmp"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-c", "from opsin.cli import main; main()", *arguments]
    shown = [strace, "-f", "--seccomp-bpf", "-qq", "-y", "-e", f"trace={CALLS}", "-o", str(trace)]
    done = subprocess.run(
        [*shown, *command, "--library", "library"],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(280)
def test_adding_and_searching_with_the_starter_leaves_nothing_behind_and_calls_nobody(
    tmp_path: Path, cache_of_the_tests: Path, pictures: Path, strace: str
) -> None:
    for name in ("home", "tmp"):
        (tmp_path / name).mkdir()
    before = {path.name: path.read_bytes() for path in pictures.iterdir()}
    seen: list[tuple[str, str]] = []
    for number, arguments in enumerate(
        (
            ["init", "--encoder", "starter"],
            ["add", "photos"],
            ["search", "red", "--all", "--like", "photos/still.png"],
            ["tag", "photos/animated-gif.gif"],
        )
    ):
        trace = tmp_path / f"trace-{number}"
        run(strace, tmp_path, cache_of_the_tests, trace, *arguments)
        seen += calls(trace)

    assert called(seen) == []
    paths = {path for name, text in seen for path in written(name, text, tmp_path)}
    assert f"{tmp_path}/library/catalogue.sqlite" in paths, "the trace shows nothing, so it proves nothing"
    allowed = [tmp_path / "library", cache_of_the_tests, Path("/dev/null")]
    others = {path for path in map(Path, paths) if not any(path == each or each in path.parents for each in allowed)}
    temporary = {path for path in others if path.parent == tmp_path / "tmp" and TEMPORARY.fullmatch(path.name)}
    assert sorted(others - temporary) == []
    assert list((tmp_path / "home").iterdir()) == []
    assert {path.name: path.read_bytes() for path in pictures.iterdir()} == before
    # torch's folder stays, empty; it is not ours to move.
    left = [path for path in (tmp_path / "tmp").rglob("*") if not path.name.startswith("torchinductor_")]
    assert left == []


@pytest.mark.parametrize(
    ("line", "paths"),
    [
        (
            '7 openat(AT_FDCWD</w>, "photos/.red.tmp", O_WRONLY|O_CREAT, 0666) = 3</w/photos/.red.tmp>',
            ["/w/photos/.red.tmp"],
        ),
        ('7 openat(4</w/photos>, "sidecar", O_RDWR|O_CREAT, 0666) = 3</w/photos/sidecar>', ["/w/photos/sidecar"]),
        ('7 openat(AT_FDCWD</w>, "kept", O_RDONLY|O_CLOEXEC) = 3</w/kept>', []),
        ('7 openat(AT_FDCWD</w>, "kept", O_RDWR) = -1 EACCES (Permission denied)', []),
        ('7 openat(AT_FDCWD</w>, "photos", O_RDWR|O_TMPFILE, 0600) = 3</w/photos/#12 (deleted)>', ["/w/photos"]),
        ('7 mkdir("made", 0777) = 0', ["/w/made"]),
        ('7 renameat2(4</w/a>, "b", 5</x>, "../c", 0) = 0', ["/w/a/b", "/c"]),
        ('7 symlink("/anywhere", "/w/link") = 0', ["/w/link"]),
        (
            '7 unlink("photos/red.jpg" <unfinished ...>\n8 mkdir("/m", 0777) = 0\n7 <... unlink resumed>) = 0',
            ["/m", "/w/photos/red.jpg"],
        ),
        ('7 creat("/w/ended", 0666 <unfinished ...>', ["/w/ended"]),
    ],
)
def test_a_trace_shows_what_was_written_and_where(line: str, paths: list[str], tmp_path: Path) -> None:
    (tmp_path / "trace").write_text(line + "\n", "utf-8")
    seen = list(calls(tmp_path / "trace"))
    assert [path for name, text in seen for path in written(name, text, Path("/w"))] == paths


SHOWN = 'sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("{}")'


@pytest.mark.parametrize(
    "line",
    [
        "7 connect(3<socket:[1]>, {%s}, 16) = -1 EINPROGRESS (Operation now in progress)",
        "7 connect(3<socket:[1]>, {%s}, 16) = -1 ENETUNREACH (Network is unreachable)",
        '7 sendto(3<socket:[1]>, "..", 2, MSG_NOSIGNAL, {%s}, 16) = 2',
        '7 sendmsg(3<socket:[1]>, {msg_name={%s}, msg_iov=[{iov_base="..", iov_len=2}]}, 0) = 2',
        "7 sendmmsg(3<socket:[1]>, [{msg_hdr={msg_name={%s}}, msg_len=2}], 1, 0) = 1",
    ],
)
def test_a_trace_shows_who_was_called(line: str, tmp_path: Path) -> None:
    for address, expected in (("192.0.2.7", 1), ("127.0.0.1", 0), ("127.0.0.11", 1)):
        (tmp_path / "trace").write_text(line % SHOWN.format(address) + "\n", "utf-8")
        assert len(called(list(calls(tmp_path / "trace")))) == expected
