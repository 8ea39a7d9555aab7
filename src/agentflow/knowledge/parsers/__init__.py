"""Text and structure out of files."""
