"""The HTTP service: parses requests, calls the library, renders answers; the rules are in the services."""
