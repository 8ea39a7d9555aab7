"""Outside systems, one connection each."""
