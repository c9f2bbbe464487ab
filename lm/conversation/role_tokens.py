"""A token for each role: the template of models that are trained here."""

from collections.abc import Sequence

from lm.conversation.conversation import Conversation, Message, check_turn
from lm.conversation.template import Encoded, Template, name_of
from lm.tokenizer import Tokenizer


class RoleTokens(Template):
    """A token for each role opens its turn, and `<|end_of_turn|>` closes it.

        <|end_of_document|> <|user|> What is 2 + 2? <|end_of_turn|> <|assistant|> 4. <|end_of_turn|>

    The document opens as in pretraining. What is said is encoded by itself, so no word of a user becomes a
    role, and the answer begins with the same token whatever was asked. There is no token for tools.
    """

    def encode(self, conversation: Conversation, tokenizer: Tokenizer) -> Encoded:
        conversation.check()
        tokens, supervised = [tokenizer.end_of_document], [False]
        for number, message in enumerate(conversation.messages, start=1):
            said = self._turn(message, tokenizer, f"{conversation.place}, turn {number}")
            tokens += said
            supervised += [False, *[message.role == "assistant"] * (len(said) - 1)]
        return Encoded(tokens, supervised)

    def prompt(self, messages: Sequence[Message], tokenizer: Tokenizer) -> list[int]:
        tokens = [tokenizer.end_of_document]
        for number, message in enumerate(messages, start=1):
            check_turn(message, f"turn {number}")
            tokens += self._turn(message, tokenizer, f"turn {number}")
        return [*tokens, tokenizer.role_tokens["assistant"]]

    def stop_tokens(self, tokenizer: Tokenizer) -> list[int]:
        return [tokenizer.end_of_turn, tokenizer.end_of_document]

    def describe(self) -> dict:
        return {"_target_": name_of(self)}

    def answer(self, content: str, tokenizer: Tokenizer) -> str:
        return content

    def _turn(self, message: Message, tokenizer: Tokenizer, where: str) -> list[int]:
        if message.role not in tokenizer.role_tokens:
            raise ValueError(
                f"{where}: the template roles has no turn for a {message.role}: take one that has, as chatml, or let "
                "another role say it, by what data.conversations.roles makes of it"
            )
        return [tokenizer.role_tokens[message.role], *tokenizer.encode(message.content), tokenizer.end_of_turn]
