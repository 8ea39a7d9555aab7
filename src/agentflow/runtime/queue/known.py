"""Which runs this version can drive: those of formats that it does not know are left alone, for a worker that does."""

from agentflow.compiler.formats import FORMATS
from agentflow.runtime.records.models import RunRow

KNOWN = RunRow.engine_format.in_(FORMATS)

KNOWN_SQL = f"engine_format IN ({', '.join(map(str, FORMATS))})"
"""The same condition as text."""
