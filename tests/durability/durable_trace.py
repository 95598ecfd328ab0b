"""Reads what `strace` wrote down: which system calls touched a folder, in which order, with all bytes written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_CALLS = (
    "open,openat,creat,write,pwrite64,writev,pwritev,pwritev2,fsync,fdatasync,ftruncate,truncate,lseek,mmap,"
    "rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,link,linkat,symlink,symlinkat,"
    "fallocate,copy_file_range,sendfile,sync_file_range"
)
"""Every call that changes files or names, or makes them durable; and those that say where the next write goes."""

_WHOLE = re.compile(r"(\w+)\((.*)\)\s*= (-?\d+|\?|0x[0-9a-f]+)(.*)", re.DOTALL)
_HANDLE = re.compile(r"(-?\d+|AT_FDCWD)<((?:\\x[0-9a-f]{2})*)>(\(deleted\))?")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')


@dataclass(frozen=True)
class Call:
    """One successful system call. ``begin`` and ``end`` are line numbers of the trace: others may lie between."""

    name: str
    begin: int
    end: int
    handle: int | None
    paths: tuple[str, ...]
    data: bytes
    result: int
    arguments: str


def tracing(log: Path, *more: str) -> list[str]:
    """Return what goes before a command so that its calls are written to ``log``; ``more`` are options of strace."""
    # The filter in the kernel makes all other calls fast, but with it strace injects no signals.
    fast = [] if more else ["--seccomp-bpf"]
    return ["strace", "-f", *fast, "-y", "-xx", "-s", "16777216", "-e", f"trace={_CALLS}", "-o", str(log), *more]


def calls(log: Path) -> Iterator[Call]:
    """Yield the successful calls in the order in which they ended."""
    begun: dict[str, tuple[int, str]] = {}
    with log.open(encoding="ascii") as lines:
        for number, line in enumerate(lines):
            process, _, text = line.rstrip("\n").partition(" ")
            text = text.lstrip()
            begin = number
            if text.endswith("<unfinished ...>"):
                begun[process] = number, text.removesuffix("<unfinished ...>").rstrip()
                continue
            if text.startswith("<..."):
                begin, head = begun.pop(process)
                text = head + text.partition("resumed>")[2]
            whole = _WHOLE.fullmatch(text)
            if whole is None or whole[3].startswith(("-", "?")):
                continue  # a signal, an exit, or a call that failed
            yield _call(whole, begin, number)


def _call(whole: re.Match[str], begin: int, end: int) -> Call:
    name, arguments, result, after = whole.groups()
    if name == "mmap":  # its flags and its file matter, no bytes
        file = _HANDLE.search(arguments)
        return Call(name, begin, end, None, (_decoded(file[2]),) if file else (), b"", 0, arguments)
    handles = list(_HANDLE.finditer(arguments))
    texts = list(_TEXT.finditer(arguments))
    if any(text[2] for text in texts):
        msg = f"the trace was cut short at line {end + 1}"
        raise ValueError(msg)
    handle = next((int(found[1]) for found in handles if found[1] != "AT_FDCWD"), None)
    if name in {"open", "openat", "creat"}:
        opened = _HANDLE.search(result + after)
        if opened is None:
            return Call(name, begin, end, None, (), b"", int(result, 0), arguments)
        return Call(name, begin, end, int(opened[1]), (_decoded(opened[2]),), b"", int(result, 0), arguments)
    if "write" in name:
        data = b"".join(bytes.fromhex(text[1].replace("\\x", "")) for text in texts)
        deleted = bool(handles and handles[0][3])
        paths = (_decoded(handles[0][2]),) if handles and not deleted else ()
        return Call(name, begin, end, handle, paths, data, int(result, 0), arguments)
    if name in {"fsync", "fdatasync", "ftruncate", "lseek", "fallocate", "copy_file_range", "sendfile"}:
        return Call(
            name,
            begin,
            end,
            handle,
            tuple(_decoded(found[2]) for found in handles if not found[3]),
            b"",
            int(result, 0),
            arguments,
        )
    names = tuple(_named(arguments, text) for text in texts)
    return Call(name, begin, end, handle, names, b"", int(result, 0), arguments)


def _named(arguments: str, text: re.Match[str]) -> str:
    """Return the path of a name; where it is relative, the "at" calls give the folder just before it."""
    path = _decoded(text[1])
    if path.startswith("/"):
        return path
    folders = [found[2] for found in _HANDLE.finditer(arguments, 0, text.start())]
    return f"{_decoded(folders[-1])}/{path}" if folders else path


def _decoded(text: str) -> str:
    return bytes.fromhex(text.replace("\\x", "")).decode()
