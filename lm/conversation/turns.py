"""Templates that are text around what is said: ChatML, Llama, Gemma, Mistral, Alpaca."""

from collections.abc import Sequence

from lm.conversation.conversation import Conversation, Message, check_turn
from lm.conversation.script import Script
from lm.conversation.template import Encoded, Template, name_of
from lm.tokenizer import Tokenizer

HOLE = "{}"
ROLE = "<|role|>"


class Turns(Template):
    """Each role's turn as a text with `{}` where its words go.

        user: "<|im_start|>user\\n{}<|im_end|>\\n"

    `begin` stands before the first turn. Learned is what stands for the assistant's `{}` and what follows it up to
    `stop`. A role that is null has no turn, and conversations with it are refused. `system_in_user` puts the
    system's text where the first user's words begin; `default_system` are the system's words in conversations
    that have none; `alternating` refuses all but user and assistant in turn, after at most a system.

    Control tokens are written only by these texts: what people say is text, whatever they type. `stand_ins` says
    what is written for a mark that the tokenizer has no token for, where `<|role|>` is the token of who speaks (of
    a tool: of the user). A mark without a stand-in is then spelled as text, and whoever types it says the same: so
    give a stand-in to every mark that is a control token in the format, and none to those that are not.
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
    ):
        self.begin, self.stop, self.stand_ins = begin, stop, stand_ins
        self.system_in_user, self.default_system, self.alternating = system_in_user, default_system, alternating
        written = {"system": system, "user": user, "assistant": assistant, "tool": tool}
        self.written = {role: text for role, text in written.items() if text is not None}
        for role, text in self.written.items():
            if text.count(HOLE) != 1:
                raise ValueError(f"template.{role} {text!r} must have one {HOLE}, where the words of the {role} go")
        closing = assistant.partition(HOLE)[2]
        self._tail = closing[: closing.find(stop)]
        if not stop or stop not in closing or self._tail.strip():
            raise ValueError(f"template.assistant {assistant!r} must have its stop {stop!r} behind {HOLE}")
        if system is None and (system_in_user or default_system is not None):
            raise ValueError("template.system is null: say how the words of the system are written, as {}\\n\\n")
        if system_in_user and default_system is not None:
            raise ValueError("template.default_system needs a turn of its own: set template.system_in_user=false")

    def encode(self, conversation: Conversation, tokenizer: Tokenizer) -> Encoded:
        conversation.check()
        script = Script(tokenizer)
        self._write(conversation.messages, script, f"{conversation.place}, ")
        return script.encoded(conversation.place)

    def prompt(self, messages: Sequence[Message], tokenizer: Tokenizer) -> list[int]:
        script = Script(tokenizer)
        for number, message in enumerate(messages, start=1):
            check_turn(message, f"turn {number}")
        self._write(messages, script, "")
        self._words(script, "assistant", self.written["assistant"].partition(HOLE)[0])
        script.answer("")
        return script.tokens

    def stop_tokens(self, tokenizer: Tokenizer) -> list[int]:
        pieces = tokenizer.split_special(self._stood_in(self.stop, "assistant", tokenizer))
        stop = pieces[0] if len(pieces) == 1 else None
        if not isinstance(stop, int):
            raise ValueError(
                f"template.stop {self.stop!r} is no special token of this tokenizer: take its own template, or say in "
                "template.stand_ins what is to be written for it, as <|end_of_turn|>"
            )
        return [stop, tokenizer.end_of_document]

    def describe(self) -> dict:
        written = {role: self.written.get(role) for role in ("system", "user", "assistant", "tool")}
        more = {"default_system": self.default_system, "alternating": self.alternating}
        return {
            "_target_": name_of(self), "begin": self.begin, **written, "stop": self.stop, "stand_ins": self.stand_ins,
            "system_in_user": self.system_in_user, **more,
        }  # fmt: skip

    def answer(self, content: str, tokenizer: Tokenizer) -> str:
        return content + self._tail

    def _write(self, messages: Sequence[Message], script: Script, place: str) -> None:
        """Every turn, with the system's where it goes."""
        self._words(script, "system", self.begin)
        if self.default_system is not None and not any(message.role == "system" for message in messages):
            self._words(script, "system", self.written["system"].replace(HOLE, self.default_system))
        before: list[Message] = []
        for number, message in enumerate(messages, start=1):
            self._check(messages[: number - 1], message, f"{place}turn {number}")
            if message.role == "system" and self.system_in_user:
                before = [message]
                continue
            opening, _, closing = self.written[message.role].partition(HOLE)
            self._words(script, message.role, opening)
            for system in before:
                start, _, end = self.written["system"].partition(HOLE)
                self._words(script, "system", start)
                script.say(system.content)
                self._words(script, "system", end)
            before = []
            if message.role == "assistant":
                script.answer(message.content)
            else:
                script.say(message.content)
            self._words(script, message.role, closing)

    def _check(self, before: Sequence[Message], message: Message, where: str) -> None:
        """Refuse a turn that the format has no way to write."""
        if message.role not in self.written:
            raise ValueError(
                f"{where}: this template has no turn for a {message.role}: take one that has, as chatml, or let "
                "another role say it, by what data.conversations.roles makes of it"
            )
        last = before[-1].role if before else "system"
        due = "user" if last in ("system", "assistant") else "assistant"
        opens = message.role == "system" and not before
        if self.alternating and not opens and message.role != due:
            raise ValueError(
                f"{where}: the {message.role} speaks where this template has a turn of the {due}, since user and "
                "assistant take turns in it: join the turns of one speaker, or take another template, as chatml"
            )

    def _words(self, script: Script, role: str, text: str) -> None:
        script.write(self._stood_in(text, role, script.tokenizer))

    def _stood_in(self, text: str, role: str, tokenizer: Tokenizer) -> str:
        """The template's text with what stands in for marks that the tokenizer lacks."""
        speaker = f"<|{role if role in tokenizer.role_tokens else 'user'}|>"
        for mark, stand_in in self.stand_ins.items():
            if mark not in tokenizer.special_tokens:
                text = text.replace(mark, stand_in.replace(ROLE, speaker))
        return text
