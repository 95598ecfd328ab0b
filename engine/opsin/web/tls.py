"""The certificate and the key that the service shows: read once beforehand, so that what is wrong with them is said plainly."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import NamedTuple, NoReturn

from opsin.errors import UsageError


class Certificate(NamedTuple):
    """PEM files: the certificate with those that lead to its root, and its private key."""

    chain: Path
    key: Path

    def check(self) -> None:
        """Check that a server can use both.

        :raises UsageError: naming the file, and what to do.
        """
        for option, path in (("--tls-cert", self.chain), ("--tls-key", self.key)):
            try:
                text = path.read_text("ascii")
            except OSError as error:
                msg = f"{option} {path} cannot be read ({error.strerror or error}): check its name and permissions"
                raise UsageError(msg) from error
            except UnicodeDecodeError as error:
                raise UsageError(_no_pem(option, path)) from error
            if "-----BEGIN " not in text:
                raise UsageError(_no_pem(option, path))
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.chain, self.key, password=self._no_password)
        except ssl.SSLError as error:
            if error.reason in {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"}:
                msg = f"the key {self.key} does not belong to the certificate {self.chain}: give the pair that was made together"
            else:
                msg = (
                    f"{self.chain} and {self.key} are no certificate with its key ({error.reason or error}): --tls-cert takes the "
                    f"certificate and --tls-key its private key, both as PEM"
                )
            raise UsageError(msg) from error

    def _no_password(self) -> NoReturn:
        msg = f"the key {self.key} is encrypted: give one without a password, e.g. from `openssl pkey -in {self.key}`"
        raise UsageError(msg)


def _no_pem(option: str, path: Path) -> str:
    return f"{option} {path} is no PEM file: convert it, e.g. with `openssl x509 -inform der` or `openssl pkey`"
