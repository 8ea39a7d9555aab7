"""Artifacts: files of users, and large values of runs, kept in the object store."""
