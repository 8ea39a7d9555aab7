"""Tools of this checkout; nothing here is installed with the package."""
