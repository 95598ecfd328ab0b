"""A disk that keeps, over a power cut, only what was synced: replayed from the system calls of a trace.

Each file has the bytes that programs see, and those of its last fsync or fdatasync. Each folder has the names that
programs see, and those of its own last fsync: a new file, a new folder, a rename and an unlink last only from then on.
A call may overlap others: what it changes counts from its end, and a sync keeps what was there when it began. Of two
syncs that overlap, the one that began later may end first: what it kept is not lost when the other one ends (``as_of``).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tests.durability.durable_trace import Call
else:
    from durable_trace import Call

Kept = Literal["synced", "names", "bytes", "some"]
"""What survives beside all that was synced: nothing; all names; all bytes; or names and bytes by chance."""


@dataclass
class _File:
    seen: bytearray = field(default_factory=bytearray)
    synced: bytes = b""
    as_of: int = -1


@dataclass
class _Folder:
    seen: dict[str, _File | _Folder] = field(default_factory=dict)
    synced: dict[str, _File | _Folder] = field(default_factory=dict)
    as_of: int = -1


_Node = _File | _Folder


class CrashDisk:
    """The folder ``root`` on such a disk; in the beginning it holds what is in ``before``, all synced."""

    def __init__(self, root: Path, before: Path, *, ignored: Callable[[str], bool] = lambda _: False) -> None:
        """Take in ``before``. ``ignored`` says for which paths a sync does nothing: a planted failure."""
        self._prefix = f"{root}/"
        self._root = _load(before)
        self._ignored = ignored
        self._positions: dict[tuple[int, str], int] = {}
        self._begun: list[tuple[int, Callable[[], None]]] = []

    def replay(self, trace: Iterable[Call]) -> Iterator[Call]:
        """Apply the calls of a trace; yield each one of any file before it changes anything, to cut there."""
        steps: list[tuple[int, int, Call]] = []
        for call in trace:
            steps.append((call.begin, 0, call))
            steps.append((call.end, 1, call))
        kept: dict[int, Callable[[], None]] = {}
        for _, at_end, call in sorted(steps, key=lambda step: step[:2]):
            if not at_end:
                yield call
                if call.name in {"fsync", "fdatasync"}:
                    kept[id(call)] = self._keep(call)
            elif (keep := kept.pop(id(call), None)) is not None:
                keep()
            else:
                self._apply(call)

    def write_to(self, target: Path, kept: Kept = "synced", *, seed: int = 0) -> None:
        """Write to ``target``, which must not exist, what a power cut at this moment leaves."""
        _store(self._root, target, kept, random.Random(seed))

    def _inside(self, path: str) -> str | None:
        """Return the path within the root; shared memory of SQLite is not needed after a crash and is left out."""
        if path.startswith(self._prefix) and not path.endswith("-shm"):
            return path.removeprefix(self._prefix)
        return "" if path == self._prefix[:-1] else None

    def _keep(self, call: Call) -> Callable[[], None]:
        inside = self._inside(call.paths[0]) if call.paths else None
        if inside is None or self._ignored(inside):
            return lambda: None
        node = self._find(inside)
        there = bytes(node.seen) if isinstance(node, _File) else dict(node.seen)

        def keep() -> None:
            if call.begin > node.as_of:
                setattr(node, "synced", there)  # noqa: B010 - of either kind
                node.as_of = call.begin

        return keep

    def _apply(self, call: Call) -> None:
        inside = [self._inside(path) for path in call.paths]
        if not inside or all(path is None for path in inside):
            return
        if None in inside:
            msg = f"{call} reaches into the folder from outside"
            raise NotImplementedError(msg)
        paths = [path for path in inside if path is not None]
        if call.name in {"open", "openat", "creat"}:
            self._open(call, paths[0])
        elif call.name in {"write", "writev", "pwrite64"}:
            self._write(call, paths[0])
        elif call.name == "lseek":
            self._positions[call.handle or 0, paths[0]] = call.result
        elif call.name == "ftruncate":
            file, size = self._file(paths[0]), _last_number(call)
            del file.seen[size:]
            file.seen.extend(bytes(size - len(file.seen)))
        elif call.name in {"rename", "renameat"}:
            node = self._find(paths[0])
            self._forget(paths[0])
            self._name(paths[1], node)
        elif call.name in {"unlink", "unlinkat", "rmdir"}:
            self._forget(paths[0])
        elif call.name in {"mkdir", "mkdirat"}:
            self._name(paths[0], _Folder())
        elif call.name != "mmap" or ("MAP_SHARED" in call.arguments and "PROT_WRITE" in call.arguments):
            msg = f"{call.name} of {paths} is not known to this disk"
            raise NotImplementedError(msg)

    def _open(self, call: Call, path: str) -> None:
        if "O_CREAT" in call.arguments or call.name == "creat":
            folder, name = self._place(path)
            folder.seen.setdefault(name, _File())
        if isinstance(self._find(path), _Folder):
            return
        if "O_TRUNC" in call.arguments or call.name == "creat":
            self._file(path).seen.clear()
        if call.handle is not None:
            appends = "O_APPEND" in call.arguments
            self._positions[call.handle, path] = len(self._file(path).seen) if appends else 0

    def _write(self, call: Call, path: str) -> None:
        file = self._file(path)
        if call.name == "pwrite64":
            at = _last_number(call)
        else:
            at = self._positions.get((call.handle or 0, path), 0)
            self._positions[call.handle or 0, path] = at + call.result
        file.seen.extend(bytes(max(0, at - len(file.seen))))
        file.seen[at : at + call.result] = call.data[: call.result]

    def _place(self, path: str) -> tuple[_Folder, str]:
        *folders, name = path.split("/")
        node: _Node = self._root
        for part in folders:
            node = node.seen[part] if isinstance(node, _Folder) else _not_a_folder(path)
        return (node, name) if isinstance(node, _Folder) else (_not_a_folder(path), name)

    def _find(self, path: str) -> _Node:
        if not path:
            return self._root
        folder, name = self._place(path)
        return folder.seen[name]

    def _file(self, path: str) -> _File:
        node = self._find(path)
        if isinstance(node, _File):
            return node
        raise IsADirectoryError(path)

    def _name(self, path: str, node: _Node) -> None:
        folder, name = self._place(path)
        folder.seen[name] = node

    def _forget(self, path: str) -> None:
        folder, name = self._place(path)
        del folder.seen[name]


def _load(folder: Path) -> _Folder:
    names: dict[str, _Node] = {}
    for path in folder.iterdir():
        if path.is_dir():
            names[path.name] = _load(path)
        elif not path.name.endswith("-shm"):
            data = path.read_bytes()
            names[path.name] = _File(bytearray(data), data)
    return _Folder(names, dict(names))


def _store(folder: _Folder, target: Path, kept: Kept, chance: random.Random) -> None:
    target.mkdir()
    names = folder.seen if kept == "names" else folder.synced
    if kept == "some":
        both = sorted({*folder.seen, *folder.synced})
        chosen = {name: (folder.seen if chance.random() < 0.5 else folder.synced).get(name) for name in both}
        names = {name: node for name, node in chosen.items() if node is not None}
    for name, node in names.items():
        if isinstance(node, _Folder):
            _store(node, target / name, kept, chance)
        else:
            seen = kept == "bytes" or (kept == "some" and chance.random() < 0.5)
            (target / name).write_bytes(node.seen if seen else node.synced)


def _last_number(call: Call) -> int:
    found = re.search(r"(\d+)$", call.arguments)
    if found is None:
        raise ValueError(call.arguments)
    return int(found[1])


def _not_a_folder(path: str) -> _Folder:
    raise NotADirectoryError(path)
