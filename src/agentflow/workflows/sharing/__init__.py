"""Who sees a workflow besides its owner: members, everybody, and whoever has a link."""
