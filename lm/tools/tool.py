"""The contract of a tool that a model may call."""

from abc import ABC, abstractmethod
from typing import Any


class ToolError(ValueError):
    """A call that failed; the model reads the message as the result."""


class Tool(ABC):
    """A tool: its name, what it does, its parameters as a JSON schema, and the call."""

    name: str
    description: str
    parameters: dict[str, Any]  # JSON schema of an object

    @abstractmethod
    def call(self, arguments: dict[str, Any]) -> str:
        """Return the result as text for the model.

        Args:
            arguments: Values by parameter, of the types that the schema names.

        Raises:
            ToolError: The call cannot be answered; the model reads why.
        """

    @property
    def schema(self) -> dict[str, Any]:
        """The tool as conversations have it: `{"type": "function", "function": {"name": …}}`."""
        function = {"name": self.name, "description": self.description, "parameters": self.parameters}
        return {"type": "function", "function": function}


def text_parameter(name: str, description: str) -> dict[str, Any]:
    """Return the schema of a tool with one parameter, a text."""
    return {
        "type": "object",
        "properties": {name: {"type": "string", "description": description}},
        "required": [name],
    }
