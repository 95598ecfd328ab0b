"""One module per use case. Each works on a ``Workspace``; the facade in ``opsin.library`` calls them.

Imports go down this list, which ``lint-imports`` checks:

- ``jobs``, ``keeping``: work without a caller; looking after a library
- ``labels``, ``moving``: what labels mean; records and tables in and out
- ``assets``: taking pictures in, and whatever changes an asset after that
- ``telling``: events, webhooks, saved searches
- ``finding``: conditions, queries, pages, numbers
- ``looking``: what a picture shows, stored nowhere
- ``base``: the workspace and its parts
"""
