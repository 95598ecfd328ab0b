"""The plugin host: finds plugins, runs their objects, and keeps what goes wrong with a plugin to itself."""

from opsin.host.discovery import (
    Plugin,
    discover,
    encoder_cards,
    require_settings,
    shipped_vocabularies,
    unknown_sections,
)
from opsin.host.host import Host
from opsin.host.messages import EncoderFacts
from opsin.host.roster import declare, find_encoder, first_answer, name_encoder
from opsin.host.trial import Trial
from opsin.host.values import Analysis, ObjectStatus, PluginStatus

__all__ = [
    "Analysis",
    "EncoderFacts",
    "Host",
    "ObjectStatus",
    "Plugin",
    "PluginStatus",
    "Trial",
    "declare",
    "discover",
    "encoder_cards",
    "find_encoder",
    "first_answer",
    "name_encoder",
    "require_settings",
    "shipped_vocabularies",
    "unknown_sections",
]
