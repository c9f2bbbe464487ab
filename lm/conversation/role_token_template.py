"""One special token per role: the template of models pretrained here."""

from lm.conversation.template import target_of
from lm.conversation.turn_template import TurnTemplate

RESULT = "<|system|><|assistant|>{}<|end_of_turn|>"  # two openings in a row stand nowhere else


class RoleTokenTemplate(TurnTemplate):
    """A role token opens each turn and `<|end_of_turn|>` closes it.

        <|end_of_document|> <|user|> What is 2 + 2? <|end_of_turn|> <|assistant|> 4. <|end_of_turn|>

    The document begins as in pretraining. Every tokenizer here has these tokens, so no stand-ins are needed. The result
    of a tool is opened by `<|system|><|assistant|>`, so that no tokenizer needs a token more.

    Args:
        tools: Whether there are tool turns. A model that was tuned without them has never read one, so its recorded
            template refuses tools.
    """

    def __init__(self, *, tools: bool = False):
        turns = {role: f"<|{role}|>{{}}<|end_of_turn|>" for role in ("system", "user", "assistant")}
        tool = RESULT if tools else None
        super().__init__(begin="<|end_of_document|>", **turns, tool=tool, stop="<|end_of_turn|>", stand_ins={})
        self.tools = tools

    def describe(self) -> dict:
        return {"_target_": target_of(self), **({"tools": True} if self.tools else {})}
