"""`library.insights`: what the tags of a library say of owners and of time; off unless ``insights.enabled``."""

from __future__ import annotations

from opsin.services.base.workspace import Workspace
from opsin.services.finding import insights
from opsin.services.finding.insights import Companions, Profile, Trends


class Insights:
    """The insights of one library. Nothing is stored for them.

    :raises LibraryError: from each method, where they are off.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def profile(self, owner: str) -> Profile:
        """Return the tags of one owner, and those that the owner has more often than everybody."""
        return insights.profile(self._workspace, owner)

    def trends(self, *, days: int = 30) -> Trends:
        """Return how the shares of tags changed between the last ``days`` and those before.

        :raises UsageError: for less than a day, or more than half of ``insights.days``.
        """
        return insights.trends(self._workspace, days)

    def companions(self, label: str) -> Companions:
        """Return the tags that stand beside a label."""
        return insights.companions(self._workspace, label)
