"""What can go wrong with variables."""

from agentflow.errors import Conflict, NotFound


class VariableNotFound(NotFound):
    """There is no such variable, or it belongs to another tenant."""

    code, title = "VARIABLE_NOT_FOUND", "Variable not found"


class VariableExists(Conflict):
    """A variable of this name exists already."""

    code, title = "VARIABLE_EXISTS", "Variable exists"
