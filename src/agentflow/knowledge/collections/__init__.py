"""Collections of documents: stored, chunked, embedded, searched."""
