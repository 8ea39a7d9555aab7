"""Stored sources: connections to outside systems that workflows use by name."""
