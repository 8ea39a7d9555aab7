"""Workflows that come and go: export, import with a look beforehand, and copies."""
