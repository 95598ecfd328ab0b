"""The catalogue: what a library knows, in SQLite through SQLAlchemy Core."""

from opsin.catalogue.database import Catalogue, get_meta, set_meta

__all__ = ["Catalogue", "get_meta", "set_meta"]
