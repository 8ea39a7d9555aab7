"""Secrets of a tenant: written, never read back, and filled in where a source needs them."""
