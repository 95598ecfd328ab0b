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
from opsin.services.assets.added import Added, AddStatus
from opsin.services.assets.deleting import Deleted
from opsin.services.assets.editing import Edits
from opsin.services.assets.ingest import IngestStatus
from opsin.services.assets.once import Told
from opsin.services.assets.people import Labelled
from opsin.services.assets.planning import Plan
from opsin.services.assets.reanalyse import Reanalysed, Reanalysis
from opsin.services.assets.taking import Said
from opsin.services.assets.watching import Watched
from opsin.services.base.keys import Key, Keys, NewKey, Scope
from opsin.services.base.vocabulary import VocabularySummary
from opsin.services.finding.duplicates import Alike, Group
from opsin.services.finding.facets import Facet, FacetCount, Facets
from opsin.services.finding.insights import Companion, Companions, OwnTag, Profile, Trend, Trends
from opsin.services.finding.listing import TagCount, TagDetails
from opsin.services.finding.paging import AssetPage, Order, Sort
from opsin.services.finding.query import Part
from opsin.services.finding.search import Hit, Page
from opsin.services.finding.views import AssetView
from opsin.services.jobs.exports import Export, ExportFile, Wanted
from opsin.services.jobs.jobs import Job, JobState
from opsin.services.keeping.backup import BackedUp, Step
from opsin.services.keeping.plugin_template import Project
from opsin.services.keeping.plugins import PluginView
from opsin.services.keeping.standing import LibraryStatus
from opsin.services.keeping.upkeep import IndexStatus
from opsin.services.labels.explain import Evidence, Explanation
from opsin.services.labels.relabel import Forgotten, LabelChanges
from opsin.services.labels.trying import Effect, LabelEffect
from opsin.services.looking.facts import Colour
from opsin.services.looking.given import Address, Upload
from opsin.services.moving.exporting import Exported, form_of
from opsin.services.moving.importing import ImportCounts, Imported
from opsin.services.moving.records import Record
from opsin.services.moving.sidecars import Sidecar, SidecarCounts
from opsin.services.telling.saved_parts import SavedPart
from opsin.services.telling.searches import SavedSearch
from opsin.services.telling.webhooks import Delivery, NewWebhook, Tried, Webhook

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
