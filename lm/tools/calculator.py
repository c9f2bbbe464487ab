"""A calculator as a tool."""

from typing import Any

from lm.sandbox.arithmetic import CalculationError, calculate, written
from lm.tools.tool import Tool, ToolError, text_parameter


class Calculator(Tool):
    """Calculates an arithmetic expression: exact, bounded, and without running anything."""

    name = "calculator"
    description = "Calculate an arithmetic expression with + - * / // % ** ( ) sqrt abs round min max floor ceil."
    parameters = text_parameter("expression", "for example 12 * (3 + 4)")

    def call(self, arguments: dict[str, Any]) -> str:
        try:
            return written(calculate(arguments["expression"]))
        except CalculationError as error:
            raise ToolError(str(error)) from None
