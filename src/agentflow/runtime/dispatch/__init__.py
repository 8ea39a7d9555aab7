"""Bringing accepted runs to a worker."""
