"""What a picture shows: it is read, looked at and asked about, and nothing is stored."""
