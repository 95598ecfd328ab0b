"""What an open library holds open: catalogue, blobs, plugin host, decoder and vector index, each made when first used."""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from opsin.catalogue import CLOSED, Catalogue, get_meta, set_meta
from opsin.catalogue.blobs import Blobs
from opsin.catalogue.features import Kind, Kinds
from opsin.cores import available_cores
from opsin.errors import EncoderMismatch, LibraryError, UnknownName
from opsin.host.networks import Networks
from opsin.services.base import vocabulary
from opsin.services.base.indexed import Indexed
from opsin.services.base.layout import Layout, Ownership
from opsin.services.base.meaning import Meaning
from opsin.services.base.outbox import Outbox
from opsin.services.base.pool import WINDOW, Pool
from opsin.services.base.rows import Rows, WorkedOut
from opsin.services.base.stages import Stages
from opsin.services.base.turns import Running
from opsin.services.base.unknown_names import unknown_names
from opsin.services.base.unmeasured import Unmeasured
from opsin.settings import Settings, cache_folder, load_settings

if TYPE_CHECKING:
    from opsin.host import EncoderFacts, Host
    from opsin.intake.decode import Decoder
    from opsin_index import Index

_log = logging.getLogger(__name__)


class Part(Protocol):
    """Something that works for one open library, such as what takes pictures in."""

    def __init__(self, workspace: Workspace) -> None:
        """Be made for a library, when it is first needed."""

    def close(self) -> None:
        """Finish what is under way, and give everything back."""


P = TypeVar("P", bound=Part)


class Workspace:
    """The parts of one open library. ``encoder`` is the name chosen when it was made."""

    def __init__(
        self,
        root: Path,
        *,
        readonly: bool = False,
        encoder: str | None = None,
        beside: Workspace | None = None,
        lenient: bool = False,
    ) -> None:
        """Open the library at ``root``; unless ``readonly``, become its owner. It shares the networks of ``beside``.

        ``lenient``: a plugin whose settings cannot be used is left out, for those who look what is wrong; for all others it
        is an error as soon as plugins are needed.

        :raises LibraryMissing: where there is none.
        :raises LibraryBusy: where another process owns it.
        :raises EncoderMismatch: where ``encoder`` is not the one that it was made with.
        """
        self.layout = Layout(root)
        self.layout.require()
        self.readonly = readonly
        self._ownership = None if readonly else Ownership(self.layout)
        self._lock = threading.RLock()
        self.networks: Networks = Networks() if beside is None else beside.networks
        self.edition = 0
        """A number that changes with the vocabularies: what was said by an earlier one is not stored any more."""
        self.changing_vocabularies = threading.Lock()
        self._host: Host | None = None
        self._decoder: Decoder | None = None
        self._parts: dict[type[Part], Part] = {}
        self._agreed: str | None = None
        self._closed = False
        self._lenient = lenient
        self._warned = False
        try:
            self.settings: Settings = load_settings(self.layout.settings)
            self.catalogue = Catalogue(self.layout.catalogue, readonly=readonly)
            with self.catalogue.read() as connection:
                self.encoder = get_meta(connection, "encoder") or ""
            if encoder is not None and encoder != self.encoder:
                self.catalogue.close()
                msg = (
                    f"{root} was made with the encoder {self.encoder!r} and cannot be opened with {encoder!r}: "
                    f"their vectors cannot be compared. Make another library with `opsin init --encoder {encoder}` and bring "
                    f"over what people said (opsin export, add, import: docs/encoders.md)"
                )
                raise EncoderMismatch(msg)
        except BaseException:
            self._release()
            raise
        self.blobs = Blobs(self.layout.blobs)
        self.indexed = Indexed(
            self.layout,
            self.catalogue,
            lambda: self.host.encoder,
            threads=self.settings.host.threads or available_cores(),
            readonly=readonly,
        )
        self.pool = Pool(WINDOW)
        self.rows = Rows()
        self.stages = Stages()
        self.outbox = Outbox(self.catalogue)
        self.running = Running()
        self.worked_out: WorkedOut | None = None
        self.unmeasured = Unmeasured()
        self.meaning = Meaning(lambda: self.host, self.catalogue, self.settings.tags)

    @property
    def writable(self) -> Self:
        """This workspace.

        :raises LibraryError: where it was opened for reading only.
        """
        if self.readonly:
            raise LibraryError("this library was opened for reading only")
        return self

    @property
    def host(self) -> Host:
        """The plugin host; its models load at the first use.

        :raises SettingError: where the settings of a plugin cannot be used, naming file, line and key.
        """
        with self._lock:
            self._require_open()
            if self._host is None:
                from opsin.host import Host

                self._host = Host(
                    self.settings,
                    cache=cache_folder(),
                    encoder=self.encoder,
                    vocabularies=vocabulary.load_all(self.layout.vocabularies),
                    made_by=self._made_by(),
                    strict=not self._lenient,
                    networks=self.networks,
                )
            return self._host

    def check(self) -> None:
        """Check what can be checked before a model is loaded: the plugins' settings, and that one has the encoder.

        :raises EncoderMismatch: where none has it.
        :raises SettingError: as :attr:`host`.
        """
        try:
            _ = self.host
        except UnknownName as error:
            msg = f"{self.layout.root} cannot be used: {error}"
            raise EncoderMismatch(msg) from error

    def check_settings(self) -> None:
        """Check the plugins' settings alone, for what is to be changed before the host is asked.

        :raises SettingError: as :attr:`host`.
        """
        with self._lock:
            if self._host is None:
                from opsin.host import discover, require_settings

                require_settings(discover(self.settings))

    def warn(self) -> None:
        """Log, once, which settings have no effect: for whoever is about to have pictures looked at."""
        with self._lock:
            warned, self._warned = self._warned, True
        if not warned:
            for each in (*self.host.unknown_sections, *unknown_names(self.settings, self.host, self.meaning)):
                _log.warning("%s", each)

    def _made_by(self) -> EncoderFacts | None:
        """Return which encoder made the stored vectors, None where none was ever loaded for this library."""
        from opsin.host import EncoderFacts

        with self.catalogue.read() as connection:
            stored = get_meta(connection, "encoder_revision")
        if stored is None:
            return None
        space, _, rest = stored.partition(" ")
        revision, _, dim = rest.rpartition(" ")
        return EncoderFacts(name=self.encoder, revision=revision, space=space, dim=int(dim))

    def ready(self) -> Host:
        """Return the host with its encoder loaded, checked against the one that made the stored vectors.

        :raises EncoderMismatch: where the weights are not those that the library was made with.
        """
        host = self.host
        host.encoder.ensure()
        self.check_encoder()
        return host

    def check_encoder(self) -> None:
        """Compare the encoder, where it is loaded, with the one that made the stored vectors.

        :raises EncoderMismatch: where the weights are not those that the library was made with.
        """
        encoder = self.host.encoder
        if not encoder.loaded:
            return
        found = f"{encoder.space} {encoder.revision} {encoder.dim}"
        if found == self._agreed:  # what is stored is written once and never changed
            return
        with self.catalogue.read() as connection:
            stored = get_meta(connection, "encoder_revision")
        if stored is None and not self.readonly:
            with self.catalogue.write() as connection:
                set_meta(connection, "encoder_revision", found)
        elif stored is not None and stored != found:
            msg = (
                f"the encoder {self.encoder!r} is now {found}, but the vectors of {self.layout.root} were made by "
                f"{stored}, and the two cannot be compared: install those weights again, or encode the pictures anew in "
                f"another library and bring over what people said (opsin export, init, add, import: docs/encoders.md)"
            )
            raise EncoderMismatch(msg)
        if stored is not None:
            self._agreed = found

    def ready_to_analyse(self) -> Host:
        """Return the host with everything loaded, its index and its decoders open.

        :raises EncoderMismatch: as :meth:`ready`.
        """
        host = self.ready()
        self.warn()
        host.start()
        self.meaning.note_declines(host.declines, among=host.categorizers)
        self.decoder.start()
        return host

    @property
    def decoder(self) -> Decoder:
        """The pool of processes that decode pictures."""
        with self._lock:
            self._require_open()
            if self._decoder is None:
                from opsin.intake.decode import Decoder

                host = self.host
                self._decoder = Decoder(self.settings.decode, min_side=host.min_side, views=host.views)
            return self._decoder

    @property
    def index(self) -> Index:
        """The vector index, brought up to what the catalogue holds."""
        self._require_open()
        return self.indexed.current()

    def part(self, kind: type[P]) -> P:
        """Return the one object of a kind that works for this library: made when it is first asked for, closed with it."""
        with self._lock:
            self._require_open()
            found = self._parts.get(kind)
            if not isinstance(found, kind):
                found = self._parts[kind] = kind(self)
            return found

    def set_vocabularies(self) -> None:
        """Take the vocabularies as their files are by now; what was known of their labels is forgotten.

        When it returns, nothing is being written any more that was said by the former ones.

        :raises SettingError: where one of them cannot be used; then nothing changes.
        """
        known = vocabulary.load_all(self.layout.vocabularies)
        with self._lock:
            if self._host is not None:
                self._host.set_vocabularies(known)
            self.edition += 1
        self.meaning.forget()
        with self.catalogue.write():  # what looked at the edition before is committed when this has its turn
            pass

    @property
    def feature_kinds(self) -> Kinds:
        """How each feature that plugins in use give is laid out, and who gives it at which revision."""
        return {
            name: Kind(dtype=each.feature.dtype, shape=each.feature.shape, plugin=each.plugin, revision=each.revision)
            for name, each in self.host.features.items()
        }

    def close(self) -> None:
        """Give everything back, whatever becomes of a part; a long tail of the index is written out first."""
        with ExitStack() as parts:  # the last is closed first
            parts.callback(self._end)
            parts.callback(self.catalogue.close)
            for made in (self._host, self._decoder):
                if made is not None:
                    parts.callback(made.close)
            parts.callback(self.indexed.close)
            parts.callback(self.pool.close)
            for part in self._parts.values():
                parts.callback(part.close)
        self._decoder = self._host = None

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._closed

    def _require_open(self) -> None:
        if self._closed:
            raise LibraryError(CLOSED)

    def announce(self, url: str) -> None:
        """Write down where the owner of the library, which this is, can be asked."""
        if self._ownership is not None:
            self._ownership.announce(url)

    def _end(self) -> None:
        self._closed = True
        self._release()

    def _release(self) -> None:
        if self._ownership is not None:
            self._ownership.release()
            self._ownership = None
