"""Telling others what happens: events, webhooks, and the saved searches that new pictures are compared with."""
