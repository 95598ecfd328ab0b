"""Work that goes on without its caller, and what is done from time to time."""
