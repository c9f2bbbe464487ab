"""One special token per role: the template of models pretrained here."""

from lm.conversation.template import target_of
from lm.conversation.turn_template import TurnTemplate


class RoleTokenTemplate(TurnTemplate):
    """A role token opens each turn and `<|end_of_turn|>` closes it.

        <|end_of_document|> <|user|> What is 2 + 2? <|end_of_turn|> <|assistant|> 4. <|end_of_turn|>

    The document begins as in pretraining. Every tokenizer here has these tokens, so no stand-ins are needed. There is
    no token for tool turns.
    """

    def __init__(self):
        turns = {role: f"<|{role}|>{{}}<|end_of_turn|>" for role in ("system", "user", "assistant")}
        super().__init__(begin="<|end_of_document|>", **turns, tool=None, stop="<|end_of_turn|>", stand_ins={})

    def describe(self) -> dict:
        return {"_target_": target_of(self)}
