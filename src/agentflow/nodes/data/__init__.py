"""Node types that read, change or fetch data."""
