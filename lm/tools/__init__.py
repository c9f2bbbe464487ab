"""Tools that a model calls in a conversation: a calculator, Python in a sandbox, and how calls are found and run."""

from lm.tools.calculated_sums import CalculatedSums
from lm.tools.calculator import Calculator
from lm.tools.calls import Call, calls_in
from lm.tools.python import Python
from lm.tools.rollout import Episode, generate_with_tools
from lm.tools.tool import Tool, ToolError
from lm.tools.toolbox import Toolbox

__all__ = [
    "CalculatedSums",
    "Calculator",
    "Call",
    "Episode",
    "Python",
    "Tool",
    "ToolError",
    "Toolbox",
    "calls_in",
    "generate_with_tools",
]
