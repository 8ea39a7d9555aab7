"""The one language of conditions, values and text: Jinja's syntax over plain JSON, bounded in steps and bytes.

Jinja's parser reads it; what runs is compiled here from the few kinds of syntax that are listed, so there is nothing to escape from.
"""

from agentflow.spec.expressions.analysis import Analysis, analyse, references
from agentflow.spec.expressions.errors import ExpressionError
from agentflow.spec.expressions.references import Reference
from agentflow.spec.expressions.renderer import Renderer
from agentflow.spec.expressions.tree import CompiledTree

__all__ = ["Analysis", "CompiledTree", "ExpressionError", "Reference", "Renderer", "analyse", "references"]
