"""An AgentFlow node type that tells how a text sounds."""
