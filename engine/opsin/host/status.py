"""Sums up a plugin from its objects: pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from opsin.host.discovery import Plugin
from opsin.host.lane import Lane
from opsin.host.values import PluginState, PluginStatus

_WORST_FIRST: tuple[PluginState, ...] = ("off", "quarantined", "loading")


def plugin_status(plugin: Plugin, lanes: Sequence[Lane]) -> PluginStatus:
    """Return a plugin's status: the state of its worst object, unless the plugin as a whole cannot be used."""
    objects = tuple(lane.status() for lane in lanes)
    state, reason = plugin.state, plugin.reason
    if state == "ready":
        for each in _WORST_FIRST:
            found = next((item for item in objects if item.state == each), None)
            if found is not None:
                state, reason = each, found.reason
                break
    revivals = [item.next_revival for item in objects if item.next_revival is not None]
    return msgspec.structs.replace(
        plugin.status(),
        state=state,
        reason=reason,
        objects=objects,
        answered=sum(item.answered for item in objects),
        failed=sum(item.failed for item in objects),
        last_error=next((item.last_error for item in objects if item.last_error), ""),
        next_revival=min(revivals, default=None),
    )
