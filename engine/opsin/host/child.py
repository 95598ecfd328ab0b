"""The process in which one isolated object lives: it answers the host's messages until the pipe closes."""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

import msgspec

from opsin.errors import PluginError
from opsin.host import wire
from opsin.host.context import HostContext
from opsin.host.describe import failure
from opsin.host.discovery import Plugin
from opsin.host.local import LocalTarget
from opsin.host.messages import (
    EncoderFacts,
    Facts,
    Opening,
    pack_answer,
    pack_error,
    unpack_frame,
    unpack_item,
)
from opsin.host.recipe import build
from opsin.model import Label
from opsin.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Child:
    """One object and the pipe to the host."""

    def __init__(self, inward: IO[bytes], outward: IO[bytes]) -> None:
        self._inward = inward
        self._outward = outward
        self._writing = threading.Lock()
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._target: LocalTarget | None = None
        self._host = os.getppid()

    def main(self) -> None:
        """Answer messages in order until one says "close"."""
        threading.Thread(target=self._read, name="opsin-wire", daemon=True).start()
        while True:
            message = self._inbox.get()
            try:
                answer = {"ok": self._answer(message)}
            except PluginError as error:
                answer = {"error": pack_error(error)}
            except Exception as error:  # noqa: BLE001 - a value that cannot be sent is the plugin's, and the host's to see
                answer = {"error": [PluginError.code, failure(error)]}
            try:
                self.send(answer)
            except TypeError as error:
                self.send({"error": [PluginError.code, f"answered wrongly: {error}"]})
            if message["op"] == "close":
                return

    def _read(self) -> NoReturn:
        """Keep reading even while the object is busy, so that the end of the host is the end of this process."""
        while True:
            try:
                self._inbox.put(wire.receive(self._inward))
            except (wire.BrokenWireError, OSError):
                if os.getppid() != self._host:  # nobody is left to end what the object forked
                    os.killpg(0, signal.SIGKILL)
                os._exit(0)

    def send(self, message: Any) -> None:
        """Write one message; from any thread."""
        with self._writing:
            wire.send(self._outward, message)

    def ask(self, method: str, arguments: Sequence[Any]) -> Any:
        """Ask the host's encoder, in the middle of a call. Only the object's own thread may."""
        self.send({"ask": method, "arguments": arguments})
        answer = self._inbox.get()
        if "refused" in answer:
            raise PluginError(answer["refused"])
        return answer["answer"]

    def _answer(self, message: dict[str, Any]) -> Any:
        op = message["op"]
        if op == "open":
            return self._open(msgspec.convert(message["opening"], Opening))
        target = self._target
        if target is None:
            raise PluginError("was not loaded")
        if op == "run":
            unpack = unpack_item if target.kind == "categorizer" else unpack_frame
            return [pack_answer(each) for each in target.run([unpack(each) for each in message["payloads"]])]
        if op == "call":
            arguments = message["arguments"]
            if message["method"] == "explain":
                arguments = [unpack_item(arguments[0]), msgspec.convert(arguments[1], Label)]
            return target.call(message["method"], tuple(arguments))
        target.close()
        return None

    def _open(self, opening: Opening) -> Facts:
        plugin = Plugin(opening.plugin, opening.source, distribution=opening.distribution)
        plugin.open(None, Settings(plugins={opening.plugin: opening.config}))
        if not plugin.usable:
            msg = f"is {plugin.state} in its own process: {plugin.reason}"
            raise PluginError(msg)
        log = logging.getLogger(f"opsin.plugins.{opening.plugin}")
        log.setLevel(logging.DEBUG)
        log.addHandler(_Forward(self))
        log.propagate = False
        context = HostContext(
            plugin=opening.plugin,
            config=plugin.config,
            cache=Path(opening.cache),
            settings=opening.settings,
            encoder=None if opening.encoder is None else RemoteEncoder(self, opening.encoder),
            log=log,
        )
        target = LocalTarget(
            opening.recipe.kind,
            build(plugin, opening.recipe),
            rebuild=lambda: build(plugin, opening.recipe),
            context=context,
        )
        target.load()
        self._target = target
        return Facts(
            revision=target.revision,
            runtime=target.runtime,
            family=target.family,
            declines=target.declines,
            vocabulary=target.vocabulary,
        )


class RemoteEncoder:
    """The library's encoder as an isolated categorizer sees it: an ``opsin.TextEncoder`` that asks the host."""

    def __init__(self, child: Child, facts: EncoderFacts) -> None:
        self._child = child
        self._facts = facts
        self._background: NDArray[np.float32] | None = None

    @property
    def name(self) -> str:
        return self._facts.name

    @property
    def revision(self) -> str:
        return self._facts.revision

    @property
    def space(self) -> str:
        return self._facts.space

    @property
    def dim(self) -> int:
        return self._facts.dim

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit rows, float32 (n, dim)."""
        rows: NDArray[np.float32] = self._child.ask("encode_texts", [list(texts)])
        return rows

    def background(self) -> NDArray[np.float32]:
        """Return unit rows of image vectors that stand for "any picture", float32 (m, dim)."""
        if self._background is None:
            self._background = self._child.ask("background", [])
        return self._background


class _Forward(logging.Handler):
    """Sends log records to the host."""

    def __init__(self, child: Child) -> None:
        super().__init__()
        self._child = child

    def emit(self, record: logging.LogRecord) -> None:
        self._child.send({"log": record.levelno, "text": record.getMessage()})


def main() -> None:
    """Take the pipes over before a plugin can print into them, and answer until the end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the host's to handle
    inward, outward = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    try:
        Child(inward, outward).main()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
