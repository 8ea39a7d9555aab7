"""The rules a specification must keep, one file each."""
