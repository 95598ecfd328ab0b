"""Brings pictures in: finds them, fetches them, decodes them within limits."""
