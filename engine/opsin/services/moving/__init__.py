"""Bringing what a library knows elsewhere and back: records, tables, files beside pictures."""
