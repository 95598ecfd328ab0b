"""What labels mean: vocabularies change and are tried, and a tag is explained."""
