"""The fake encoder and categorizer as a plugin named "fake".

It is not installed; switch it on with ``extra_plugins = ["opsin.testing.plugin"]`` under ``[host]`` in opsin.toml, or
pass ``plugins=[("fake", opsin.testing.plugin)]`` to the host.
"""

from __future__ import annotations

from collections.abc import Sequence

from opsin.plugin import Categorizer, Encoder, EncoderCard, Manifest, hookimpl


@hookimpl
def opsin_manifest() -> Manifest:
    """Say who this is."""
    return Manifest(name="fake", summary="A deterministic encoder and categorizer of plain colours, for tests")


@hookimpl
def opsin_encoders() -> Sequence[EncoderCard]:
    """Offer the encoder "fake"."""
    return [
        EncoderCard(
            name="fake",
            summary="Colours and coarse layout; for tests only",
            dim=64,
            size=0,
            licence="Apache-2.0",
            licence_url="https://www.apache.org/licenses/LICENSE-2.0",
            commercial=True,
            languages=("en",),
            installed=True,
            runtime="numpy",
        )
    ]


@hookimpl
def opsin_encoder(name: str) -> Encoder | None:
    """Build the encoder "fake"."""
    from opsin.testing.fakes import FakeEncoder

    return FakeEncoder() if name == "fake" else None


@hookimpl
def opsin_categorizers() -> Sequence[Categorizer]:
    """Build the categorizer "fake"."""
    from opsin.testing.fakes import FakeCategorizer

    return [FakeCategorizer()]
