"""AgentFlow: a durable orchestration server for AI workflows."""

__version__ = "0.1.0"
