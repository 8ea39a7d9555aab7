"""Values of runs that are too large for a row: written to the object store before the row, read back by reference."""
