"""The version of this Opsin."""

VERSION = "0.1.0"
