"""Templates given as text around each turn: ChatML, Llama, Gemma, Mistral, Alpaca."""

from collections.abc import Sequence

from lm.conversation.conversation import ROLES, Conversation, Message, check_turn
from lm.conversation.encoder import ConversationEncoder
from lm.conversation.template import EncodedConversation, Template, target_of
from lm.conversation.turn_jinja import SLOT, TurnJinja
from lm.tokenizer import Tokenizer

ROLE = "<|role|>"


class TurnTemplate(Template):
    """Each role's turn as a text with `{}` where its content goes.

        user: "<|im_start|>user\\n{}<|im_end|>\\n"

    Special tokens come from these texts alone: whatever people type is encoded as text. The
    assistant's content is supervised, with what follows it up to and including `stop`.

    Args:
        begin: Text before the first turn, as "<s>"; "" for none.
        system: Text of a system turn with one {}; null refuses conversations that have one.
        user: Text of a user turn with one {}.
        assistant: Text of an assistant turn with one {} and `stop` behind it.
        tool: Text of a tool turn with one {}; null refuses conversations that have one.
        stop: The special token that ends an answer, as "<|im_end|>".
        stand_ins: Special token of the format → what is written for it where the tokenizer lacks it; "<|role|>"
            becomes the token of the speaker (the user's, for a tool). Without a stand-in a missing token is spelled
            as text, which a user could type as well, so give one to every special token of the format.
        system_in_user: Write the system text at the beginning of the first user turn, as Gemma and Mistral do.
        default_system: System text of conversations that have no system turn, as in Alpaca; null for none.
        alternating: Refuse all but user and assistant in turn, after at most one system turn.
        trim: Roles whose contents lose white space at their ends, as [user, assistant].
        trim_after_system: Whether the start of the first question is trimmed also where the system text precedes it,
            with `system_in_user`.
    """

    def __init__(
        self,
        *,
        begin: str,
        system: str | None,
        user: str,
        assistant: str,
        tool: str | None,
        stop: str,
        stand_ins: dict[str, str],
        system_in_user: bool = False,
        default_system: str | None = None,
        alternating: bool = False,
        trim: Sequence[str] = (),
        trim_after_system: bool = True,
    ):
        self.begin, self.stop, self.stand_ins = begin, stop, stand_ins
        self.system_in_user, self.default_system, self.alternating = system_in_user, default_system, alternating
        self.trim, self.trim_after_system = list(trim), trim_after_system
        if unknown := sorted({*trim} - {*ROLES}):
            raise ValueError(f"template.trim: {unknown[0]!r} is not one of {', '.join(ROLES)}")
        turns = {"system": system, "user": user, "assistant": assistant, "tool": tool}
        self.turns = {role: text for role, text in turns.items() if text is not None}
        for role, text in self.turns.items():
            if text.count(SLOT) != 1:
                raise ValueError(f"template.{role} {text!r} must have one {SLOT}, where the content of the {role} goes")
        closing = assistant.partition(SLOT)[2]
        self._tail = closing[: closing.find(stop)]
        if not stop or stop not in closing or self._tail.strip():
            raise ValueError(f"template.assistant {assistant!r} must have its stop {stop!r} after {SLOT}")
        if system is None and (system_in_user or default_system is not None):
            raise ValueError("template.system is null: set how the system text is written, as {}\\n\\n")
        if system_in_user and default_system is not None:
            raise ValueError("template.default_system needs a turn of its own: set template.system_in_user=false")

    def encode(self, conversation: Conversation, tokenizer: Tokenizer) -> EncodedConversation:
        conversation.check()
        encoder = ConversationEncoder(tokenizer)
        self._write(conversation.messages, encoder, f"{conversation.place}, ")
        return encoder.encoded(conversation.place)

    def prompt(self, messages: Sequence[Message], tokenizer: Tokenizer, *, tools: Sequence[dict] = ()) -> list[int]:
        if tools:
            raise ValueError("this template writes tools in the system turn: give them with with_tools_as_text")
        encoder = ConversationEncoder(tokenizer)
        for number, message in enumerate(messages, start=1):
            check_turn(message, f"turn {number}")
        self._write(messages, encoder, "")
        self._write_text(encoder, "assistant", self.turns["assistant"].partition(SLOT)[0])
        encoder.begin_answer("")
        return encoder.tokens

    def stop_tokens(self, tokenizer: Tokenizer) -> list[int]:
        pieces = tokenizer.split_special(self._with_stand_ins(self.stop, "assistant", tokenizer))
        stop = pieces[0] if len(pieces) == 1 else None
        if not isinstance(stop, int):
            raise ValueError(
                f"template.stop {self.stop!r} is not a special token of this tokenizer: use the template's own "
                "tokenizer, or set in template.stand_ins what to write for it, as <|end_of_turn|>"
            )
        return [*dict.fromkeys([stop, *tokenizer.ends])]

    def describe(self) -> dict:
        turns = {role: self.turns.get(role) for role in ("system", "user", "assistant", "tool")}
        more = {"default_system": self.default_system, "alternating": self.alternating}
        if self.trim:
            more |= {"trim": self.trim, "trim_after_system": self.trim_after_system}
        return {
            "_target_": target_of(self), "begin": self.begin, **turns, "stop": self.stop, "stand_ins": self.stand_ins,
            "system_in_user": self.system_in_user, **more,
        }  # fmt: skip

    def jinja(self, tokenizer: Tokenizer, *, boundary: str = "") -> str:
        turns = {role: self._with_stand_ins(text, role, tokenizer) for role, text in self.turns.items()}
        return TurnJinja(
            turns,
            begin=self._with_stand_ins(self.begin, "system", tokenizer),
            default_system=self.default_system,
            system_in_user=self.system_in_user,
            alternating=self.alternating,
            trim=self.trim,
            trim_after_system=self.trim_after_system,
            tokenizer=tokenizer,
            boundary=boundary,
        ).source()

    def answer(self, conversation: Conversation, number: int, tokenizer: Tokenizer) -> str:
        return self._content(conversation.messages[number - 1]) + self._tail

    def around(self, tokenizer: Tokenizer) -> tuple[str, str]:
        return "", self._tail

    def _write(self, messages: Sequence[Message], encoder: ConversationEncoder, place: str) -> None:
        """Write every turn, the system text where the format has it."""
        self._write_text(encoder, "system", self.begin)
        if self.default_system is not None and not any(message.role == "system" for message in messages):
            self._write_text(encoder, "system", self.turns["system"].replace(SLOT, self.default_system))
        pending: list[Message] = []  # a system turn to be written inside the next turn
        for number, message in enumerate(messages, start=1):
            self._check_turn(messages[: number - 1], message, f"{place}turn {number}")
            if message.role == "system" and self.system_in_user:
                pending = [message]
                continue
            opening, _, closing = self.turns[message.role].partition(SLOT)
            self._write_text(encoder, message.role, opening)
            for system in pending:
                start, _, end = self.turns["system"].partition(SLOT)
                self._write_text(encoder, "system", start)
                encoder.add_text(self._content(system))
                self._write_text(encoder, "system", end)
            content = self._content(message, start=self.trim_after_system or not pending)
            pending = []
            if message.role == "assistant":
                encoder.begin_answer(content, learned=message.supervised)
            else:
                encoder.add_text(content)
            self._write_text(encoder, message.role, closing)

    def _content(self, message: Message, *, start: bool = True) -> str:
        """The content of a turn, trimmed where the format trims it."""
        if message.role not in self.trim:
            return message.content
        return message.content.strip() if start else message.content.rstrip()

    def _check_turn(self, before: Sequence[Message], message: Message, where: str) -> None:
        """Refuse a turn that the format cannot express."""
        if message.reasoning:
            raise ValueError(
                f"{where}: this template has no place for the reasoning of an answer: set "
                "data.conversations.reasoning=drop or keep, or use a chat_template that writes it"
            )
        if message.role not in self.turns:
            having = "chatml or roles_with_tools" if message.role == "tool" else "chatml"
            raise ValueError(
                f"{where}: this template has no {message.role} turn: use a template that has one, as "
                f"conversation@data.template={having}, or map the role to another with data.conversations.roles"
            )
        last = before[-1].role if before else "system"
        due = "user" if last in ("system", "assistant") else "assistant"
        opens = message.role == "system" and not before
        if self.alternating and not opens and message.role != due:
            raise ValueError(
                f"{where}: {message.role} turn where the template requires the {due}'s, since user and assistant "
                "alternate in it: merge consecutive turns of one role, or use another template, as "
                "conversation@data.template=chatml"
            )

    def _write_text(self, encoder: ConversationEncoder, role: str, text: str) -> None:
        encoder.add_template_text(self._with_stand_ins(text, role, encoder.tokenizer))

    def _with_stand_ins(self, text: str, role: str, tokenizer: Tokenizer) -> str:
        """Replace the special tokens that the tokenizer lacks."""
        speaker = f"<|{role if role in tokenizer.role_tokens else 'user'}|>"
        for special, stand_in in self.stand_ins.items():
            if special not in tokenizer.special_tokens:
                text = text.replace(special, stand_in.replace(ROLE, speaker))
        return tokenizer.in_its_words(text)
