"""The audit log, for those who read it: list, filter, export, verify."""
