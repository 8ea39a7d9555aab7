"""Searching chunks by their vectors and words."""
