"""Python in a sandbox as a tool."""

from typing import Any

from lm.sandbox import Sandbox
from lm.tools.tool import Tool, ToolError, text_parameter

ENDED = {
    "time": "it ran out of time",
    "memory": "it ran out of memory",
    "output": "it wrote too much",
    "disk": "it filled its directory",
    "crash": "it crashed",
}


class Python(Tool):
    """Runs a Python program in a sandbox and returns what it prints.

    Each call is a new process: nothing is kept between calls.

    Args:
        sandbox: Limits of a program.
    """

    name = "python"
    description = "Run a Python program, standard library only, and return what it prints."
    parameters = text_parameter("code", "for example print(sum(range(10)))")

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def call(self, arguments: dict[str, Any]) -> str:
        outcome = self.sandbox.run(arguments["code"])
        if outcome.status == "done":
            return outcome.output.rstrip("\n") or "the program printed nothing"
        reason = ENDED.get(outcome.status) or outcome.errors.strip() or "it exited with an error"
        raise ToolError("\n".join(filter(None, [outcome.output.rstrip("\n"), reason])))
