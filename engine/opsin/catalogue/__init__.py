"""The catalogue: what a library knows, in SQLite through SQLAlchemy Core."""

from opsin.catalogue.database import CLOSED, Catalogue, get_meta, set_meta

__all__ = ["CLOSED", "Catalogue", "get_meta", "set_meta"]
