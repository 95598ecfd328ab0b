"""One module per use case. Each works on a ``Workspace``; the facade in ``opsin.library`` calls them."""
