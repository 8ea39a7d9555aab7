"""The servers that the tests talk to: used where they already listen, started where they do not."""
