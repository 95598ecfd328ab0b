"""What all use cases stand on: the workspace of an open library with its parts, and checks of what is given."""
