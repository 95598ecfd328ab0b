"""The calls of `client.insights`: as those of `library.insights`."""

from __future__ import annotations

from opsin.client.call import Call, as_kind
from opsin.library import Companions, Profile, Trends


def profile(owner: str) -> Call[Profile]:
    """Return the tags of one owner, and those that the owner has more often than everybody."""
    return Call(method="GET", path="/v1/insights/profile", params={"owner": owner}, read=as_kind(Profile))


def trends(*, days: int = 30) -> Call[Trends]:
    """Return how the shares of tags changed between the last ``days`` and those before."""
    return Call(method="GET", path="/v1/insights/trends", params={"days": days}, read=as_kind(Trends))


def companions(label: str) -> Call[Companions]:
    """Return the tags that stand beside a label."""
    return Call(method="GET", path="/v1/insights/companions", params={"label": label}, read=as_kind(Companions))
