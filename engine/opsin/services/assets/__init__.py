"""Taking pictures in, and whatever changes an asset after that."""
