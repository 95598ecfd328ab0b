"""Objects that live in a child process: starts it, talks to it, and says how it ended."""

from __future__ import annotations

import json
import logging
import sys
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from opsin.errors import ContractBroken, PluginError
from opsin.host import wire
from opsin.host.messages import (
    Facts,
    Opening,
    pack_payloads,
    unpack_answer,
    unpack_error,
)
from opsin.host.process import Process
from opsin.host.target import ProcessLostError
from opsin.model import Vocabulary
from opsin.plugin import Categorizer
from opsin.plugin.rules import check_answers, check_features, check_rows

if TYPE_CHECKING:
    from opsin.host.encoder import EncoderProxy
    from opsin.host.local import PluginObject

# The child gets this process's import path before anything is imported, and never runs its main module.
_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from opsin.host.child import main; main()"
_LAST_WORDS = 20
_GRACE = 5.0


class ProcessTarget:
    """One object in a child process. ``item`` is the object as it was declared; it is never loaded here."""

    isolated = True

    def __init__(self, item: PluginObject, opening: Opening, encoder: EncoderProxy | None) -> None:
        self.item = item
        self._opening = opening
        self._encoder = encoder
        self._log = logging.getLogger(f"opsin.plugins.{opening.plugin}")
        self._facts: Facts | None = None
        self._process: Process | None = None
        self._words: deque[str] = deque(maxlen=_LAST_WORDS)

    @property
    def revision(self) -> str:
        return self._facts.revision if self._facts else self.item.revision

    @property
    def runtime(self) -> str:
        return self._facts.runtime if self._facts else ""

    @property
    def family(self) -> str:
        return self._facts.family if self._facts else ""

    @property
    def declines(self) -> dict[str, str]:
        return dict(self._facts.declines) if self._facts else {}

    @property
    def vocabulary(self) -> Vocabulary | None:
        if self._facts:
            return self._facts.vocabulary
        known = self.item.vocabulary if isinstance(self.item, Categorizer) else None
        return known if isinstance(known, Vocabulary) else None

    def load(self) -> None:
        self._end()
        facts = None if self._encoder is None else self._encoder.facts
        self._words.clear()
        command = [sys.executable, "-c", _START, json.dumps(sys.path)]
        self._process = Process(command, name=self._opening.plugin, hear=self._hear)
        opening = msgspec.structs.replace(self._opening, encoder=facts)
        try:
            answer = self._exchange({"op": "open", "opening": opening})
            self._facts = msgspec.convert(answer, Facts)
        except msgspec.ValidationError as error:
            self._end()
            msg = f"answered wrongly: {error}"
            raise ContractBroken(msg) from error
        except PluginError:
            self._end()
            raise

    def run(self, payloads: Sequence[Any]) -> list[Any]:
        packed = self._exchange({"op": "run", "payloads": pack_payloads(payloads, self.item)})
        if isinstance(self.item, Categorizer):
            labels = None if self.vocabulary is None else frozenset(each.id for each in self.vocabulary.labels)
            return list(check_answers([unpack_answer(each) for each in packed], labels, len(payloads)))
        return list(check_features(packed, self.item.features, len(payloads)))

    def call(self, method: str, arguments: tuple[Any, ...]) -> Any:
        if method == "ready":
            return None
        if method == "explain":
            item, label = arguments
            arguments = (pack_payloads([item], self.item)[0], label)
        answer = self._exchange({"op": "call", "method": method, "arguments": arguments})
        dim = getattr(self.item, "dim", 0)
        if method == "encode_texts":
            return check_rows(answer, len(arguments[0]), dim, what="encode_texts()")
        if method == "background":
            return check_rows(answer, None, dim, what="background()")
        return answer

    def kill(self) -> None:
        """End the process and what it forked, from any thread; the call that waits for it then fails."""
        process = self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        try:
            if self._process is not None:
                self._exchange({"op": "close"})
        finally:
            self._end(_GRACE)

    def _exchange(self, message: dict[str, Any]) -> Any:
        """Send one message and return its answer, serving what the child asks in between."""
        process = self._process
        if process is None:
            raise ProcessLostError("has no process")
        try:
            wire.send(process.input, message)
            while True:
                answer = wire.receive(process.output)
                if "ask" in answer:
                    wire.send(process.input, self._serve(answer["ask"], answer["arguments"]))
                elif "log" in answer:
                    self._log.log(answer["log"], "%s", answer["text"])
                elif "error" in answer:
                    raise unpack_error(answer["error"])
                else:
                    return answer["ok"]
        except (wire.BrokenWireError, OSError) as error:
            raise ProcessLostError(self._post_mortem(process, error)) from error

    def _serve(self, method: str, arguments: Sequence[Any]) -> dict[str, Any]:
        if self._encoder is None or method not in ("encode_texts", "background"):
            return {"refused": "there is no encoder to ask"}
        try:
            return {"answer": getattr(self._encoder, method)(*arguments)}
        except PluginError as error:
            return {"refused": str(error)}

    def _post_mortem(self, process: Process, error: Exception) -> str:
        """Return how the process ended, with its last line on standard error."""
        self._end(_GRACE if isinstance(error, wire.BrokenWireError) else 0)
        words = f": {self._words[-1]}" if self._words else ""
        return f"lost its process ({process.how}){words}"

    def _end(self, grace: float = 0.0) -> None:
        """Make sure that the process is gone, and give its pipes back."""
        process, self._process = self._process, None
        if process is not None:
            process.end(grace)

    def _hear(self, text: str) -> None:
        """Keep the last lines that the process wrote to its standard error, and log them."""
        self._words.append(text[:500])
        self._log.debug("%s", text)
