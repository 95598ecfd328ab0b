"""Declares zero-shot tagging: one categorizer per vocabulary, and the vocabularies that Opsin ships. Loads nothing."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from opsin import Categorizer, Manifest, Vocabulary, hookimpl


class ZeroShotConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[plugins.zero_shot]`` of opsin.toml.

    ``threshold``: the standardised margin that scores 0.5 where neither the label nor the encoder says another; 0 means
    Opsin's own. ``templates``: sentences around a label's name, each with one ``{}``; none means Opsin's seven.
    """

    threshold: float = 0.0
    templates: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that each template has one place for the name, and no other braces."""
        for template in self.templates:
            if template.count("{}") != 1 or set("{}") & set(template.replace("{}", "")):
                msg = f'templates: {template!r} needs {{}} once, where the label\'s name goes, e.g. "a photo of a {{}}"'
                raise ValueError(msg)


@hookimpl
def opsin_manifest() -> Manifest:
    """Say what this plugin is."""
    return Manifest(
        name="zero_shot",
        summary="Tags pictures with the labels of any vocabulary, by the likeness of picture and words.",
        config=ZeroShotConfig,
        isolate=False,
    )


@hookimpl
def opsin_categorizers(config: ZeroShotConfig, vocabularies: Sequence[Vocabulary]) -> Sequence[Categorizer]:
    """Declare one categorizer per vocabulary of the library."""
    from opsin_zero_shot.categorizer import ZeroShot

    return [ZeroShot(vocabulary, config) for vocabulary in vocabularies]


@hookimpl
def opsin_vocabularies(config: ZeroShotConfig) -> Sequence[Vocabulary]:  # noqa: ARG001 - the hook's signature
    """Return the vocabularies that Opsin ships."""
    from opsin_zero_shot.vocabularies import shipped

    return shipped()
