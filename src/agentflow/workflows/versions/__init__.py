"""Immutable versions of stored workflows."""
