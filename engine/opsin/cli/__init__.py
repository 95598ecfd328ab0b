"""The command line: parses, calls the facade, shows what comes back. No rules live here."""

from opsin.cli.main import main

__all__ = ["main"]
