"""Finding assets: by conditions, words, examples and tags, as pages and as numbers."""
