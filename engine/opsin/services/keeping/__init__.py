"""Looking after a library: backups, what is wrong with it, its plugins, its index."""
