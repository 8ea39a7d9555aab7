"""Things that have a name within their tenant: secrets, variables."""
