"""From a specification to a plan, and from the plan to a LangGraph graph; pure."""
