"""Embedding models: one port, one file per vendor."""
