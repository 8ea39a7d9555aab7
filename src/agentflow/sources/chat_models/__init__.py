"""Chat models: one port, one file per vendor."""
