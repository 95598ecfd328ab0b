"""The facade: what the command line, the web layer and Python users call, and the types that it answers with.

:mod:`opsin.library.places` needs no open library; :mod:`opsin.library.opened` is one, whose vocabularies and index have
a module each.
"""

from __future__ import annotations

from opsin.intake.sources import LeftOut
from opsin.library.answers import Preview, Ready, TagPage, Tile
from opsin.library.exports import Exports
from opsin.library.index import LibraryIndex
from opsin.library.insights import Insights
from opsin.library.jobs import Jobs
from opsin.library.opened import Library
from opsin.library.places import (
    analyse,
    back_up,
    better_encoder,
    check_vocabulary,
    disputed_words,
    encoders,
    examine,
    examine_plugins,
    init,
    install_encoder,
    keys,
    measure_encoder,
    new_plugin,
    open,
    plugins,
    restore,
    show_plugin,
)
from opsin.library.searches import Searches
from opsin.library.served import Served, at_work, served, service_named
from opsin.library.vocabularies import Vocabularies
from opsin.library.webhooks import Webhooks
from opsin.services.backup import BackedUp, Step
from opsin.services.commit import Added, AddStatus
from opsin.services.deleting import Deleted
from opsin.services.duplicates import Alike, Group
from opsin.services.editing import Edits
from opsin.services.explain import Evidence, Explanation
from opsin.services.exporting import Exported, form_of
from opsin.services.exports import Export, ExportFile, Wanted
from opsin.services.facets import Facet, FacetCount, Facets
from opsin.services.facts import Colour
from opsin.services.given import Address, Upload
from opsin.services.importing import ImportCounts, Imported
from opsin.services.ingest import IngestStatus
from opsin.services.insights import Companion, Companions, OwnTag, Profile, Trend, Trends
from opsin.services.jobs import Job, JobState
from opsin.services.keys import Key, Keys, NewKey, Scope
from opsin.services.listing import TagCount, TagDetails
from opsin.services.once import Told
from opsin.services.paging import AssetPage, Order, Sort
from opsin.services.people import Labelled
from opsin.services.plugin_template import Project
from opsin.services.plugins import PluginView
from opsin.services.query import Part
from opsin.services.reanalyse import Plan, Reanalysed, Reanalysis
from opsin.services.records import Record
from opsin.services.relabel import Forgotten, LabelChanges
from opsin.services.saved_parts import SavedPart
from opsin.services.search import Hit, Page
from opsin.services.searches import SavedSearch
from opsin.services.sidecars import Sidecar, SidecarCounts
from opsin.services.standing import LibraryStatus
from opsin.services.taking import Said
from opsin.services.trying import Effect, LabelEffect
from opsin.services.upkeep import IndexStatus
from opsin.services.views import AssetView
from opsin.services.vocabulary import VocabularySummary
from opsin.services.watching import Watched
from opsin.services.webhooks import Delivery, NewWebhook, Tried, Webhook

__all__ = [
    "AddStatus",
    "Added",
    "Address",
    "Alike",
    "AssetPage",
    "AssetView",
    "BackedUp",
    "Colour",
    "Companion",
    "Companions",
    "Deleted",
    "Delivery",
    "Edits",
    "Effect",
    "Evidence",
    "Explanation",
    "Export",
    "ExportFile",
    "Exported",
    "Exports",
    "Facet",
    "FacetCount",
    "Facets",
    "Forgotten",
    "Group",
    "Hit",
    "ImportCounts",
    "Imported",
    "IndexStatus",
    "IngestStatus",
    "Insights",
    "Job",
    "JobState",
    "Jobs",
    "Key",
    "Keys",
    "LabelChanges",
    "LabelEffect",
    "Labelled",
    "LeftOut",
    "Library",
    "LibraryIndex",
    "LibraryStatus",
    "NewKey",
    "NewWebhook",
    "Order",
    "OwnTag",
    "Page",
    "Part",
    "Plan",
    "PluginView",
    "Preview",
    "Profile",
    "Project",
    "Ready",
    "Reanalysed",
    "Reanalysis",
    "Record",
    "Said",
    "SavedPart",
    "SavedSearch",
    "Scope",
    "Searches",
    "Served",
    "Sidecar",
    "SidecarCounts",
    "Sort",
    "Step",
    "TagCount",
    "TagDetails",
    "TagPage",
    "Tile",
    "Told",
    "Trend",
    "Trends",
    "Tried",
    "Upload",
    "Vocabularies",
    "VocabularySummary",
    "Wanted",
    "Watched",
    "Webhook",
    "Webhooks",
    "analyse",
    "at_work",
    "back_up",
    "better_encoder",
    "check_vocabulary",
    "disputed_words",
    "encoders",
    "examine",
    "examine_plugins",
    "form_of",
    "init",
    "install_encoder",
    "keys",
    "measure_encoder",
    "new_plugin",
    "open",
    "plugins",
    "restore",
    "served",
    "service_named",
    "show_plugin",
]
