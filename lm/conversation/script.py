"""A conversation as a chat_template writes it: its text, what it prompts with, and each answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lm.conversation.conversation import THOUGHT_MARKS, Message
from lm.conversation.jinja_source import FAULTS, remedy_of
from lm.conversation.rendered_text import Disguise, Span, special_pattern
from lm.conversation.tool_calls import end_of_turn, unsaid

Render = Callable[[Sequence[Message], Sequence[dict], bool], str]  # (turns, tools, whether to prompt) → text
Filled = Callable[[int, bool, Sequence[Message]], str]  # (how many turns, whether to prompt, all turns) → text
Said = tuple[tuple[str, str, str, int], ...]  # role, content, reasoning and number of calls of each turn

PLACEHOLDER = "\ue000{}\ue001"  # of numbered turns
NEXT = PLACEHOLDER.format("next")  # of a turn that may follow any
OTHERWISE = "use another template, as conversation@data.template=chatml"
REMEDIES = {  # for a turn that a template refuses, by role and whether it is the first one
    ("system", True): "write its text at the beginning of the first user turn, or ",
    ("assistant", True): "remove it or put a user turn before it, or ",
    ("assistant", False): "merge consecutive turns of one role, or ",
    ("user", False): "merge consecutive turns of one role, or ",
    ("tool", False): "map its role to another with data.conversations.roles, or ",
}


@dataclass(frozen=True)
class Answer:
    """An answer as the template writes it when it is the last turn.

    Args:
        prompt: What the template prompts with after the turns before it.
        text: What follows the prompt, up to and including the stop token.
        stop: The stop token.
        rest: What the template writes behind the stop token.
    """

    prompt: str
    text: str
    stop: str
    rest: str

    @property
    def whole(self) -> str:
        """The text of the conversation that ends with this answer."""
        return self.prompt + self.text + self.rest


class Script:
    """A conversation as a chat_template writes it, with special tokens in what people say disguised.

    Turns are counted from 1. Texts are rendered when they are needed, and once. Contents that the template only
    inserts are filled into texts that it rendered once for all, which takes one rendering per conversation.

    Args:
        messages: The turns.
        tools: The tools of the conversation.
        render: Renders turns, with or without the prompt for an answer.
        special: Special tokens that the template may write, with their ids.
        path: Where the template comes from, for messages.
        filled: Fills contents into what the template writes around them; used if that equals what it renders. None
            renders every text.
    """

    def __init__(
        self,
        messages: Sequence[Message],
        tools: Sequence[dict] = (),
        *,
        render: Render,
        special: dict[str, int],
        path: str,
        filled: Filled | None = None,
    ):
        self.said, self.tools = said_of(messages), tuple(tools)
        texts = [text for message in messages for text in (message.content, message.reasoning)]
        self.disguise = Disguise(special, [*texts, repr(self.tools)])
        hide = self.disguise.hide
        self._messages = [
            replace(
                message,
                content=hide(message.content),
                reasoning=hide(message.reasoning),
                calls=tuple(map(hide, message.calls)),
            )
            for message in messages
        ]
        self._hidden_tools = [_mapped(tool, hide) for tool in tools]
        self._render, self._path, self._special = render, path, special_pattern(special)
        self._texts: dict[tuple[int, bool], str] = {}
        self._answers: dict[int, Answer] = {}
        self._filled: Filled | None = None
        if filled is not None and filled(len(messages), False, self._messages) == self.text(len(messages)):
            self._filled = filled

    def text(self, turns: int, *, prompt: bool = False) -> str:
        """Return the first turns as the template renders them, with the generation prompt that it adds."""
        key = (turns, prompt)
        if key not in self._texts:
            filled = self._filled
            self._texts[key] = filled(*key, self._messages) if filled else self._rendered(*key)
        return self._texts[key]

    def prompt(self, turns: int) -> str:
        """Return what chat prompts with after the first turns.

        Where the template adds no generation prompt, the header that it writes before an answer is
        prompted with as well.
        """
        prompt = self.text(turns, prompt=True)
        if prompt != self.text(turns):
            return prompt
        try:
            before, _ = self._around_answer(turns + 1)
        except FAULTS:
            return prompt
        header = before.removeprefix(prompt)
        return prompt + header.rstrip(" ") if before.startswith(prompt) and header.strip() else prompt

    def _around_answer(self, number: int) -> tuple[str, str]:
        """What the template writes before and after the content of an answer that is the last turn."""
        turns = [*self._messages[: number - 1], Message("assistant", NEXT)]
        before, found, after = self._render(turns, self._hidden_tools, False).partition(NEXT)
        if not found:
            raise ValueError(f"turn {number}: the chat_template of {self._path} does not write the answer")
        return before, after

    def whole(self, turns: int, *, learned: bool) -> str:
        """Return the text of the first turns, of which the last one may be an answer that is learned."""
        return self.answer(turns).whole if learned else self.text(turns)

    def answer(self, number: int) -> Answer:
        """Return the answer in turn `number` as the template writes it when it is the last turn.

        Raises:
            ValueError: The template prompts with other text than it writes before the answer, leaves out part of it,
                or writes no special token after it; with the turn.
        """
        if number not in self._answers:
            self._answers[number] = self._answer(number)
        return self._answers[number]

    def _answer(self, number: int) -> Answer:
        prompt, message = self.prompt(number - 1), self._messages[number - 1]
        before, after = self._around_answer(number)
        if message.calls:
            return self._calls(number, prompt, after)
        text = self._continued(prompt, before, after, message) or self.text(number)
        if not text.startswith(prompt):
            raise ValueError(f"turn {number}: {self._unlike(text, prompt)}")
        at, end = len(prompt), len(text) - len(after)
        for part in message.thoughts:
            if (found := text.find(part, at, end)) < 0:
                raise ValueError(
                    f"turn {number}: the chat_template of {self._path} leaves out the thoughts of this answer "
                    f"({self._shortened(part)}): remove them (data.conversations.reasoning=drop does, for fields of "
                    "reasoning), or use a template that writes them"
                )
            at = found + len(part)
        if not text.endswith(after) or not text[at:end].rstrip().endswith(message.spoken):
            raise ValueError(f"turn {number}: {self._rewritten(message, text)}")
        stop = self._special.search(after)
        if stop is None:
            opening, stop = self.opening(number)
            return Answer(prompt, text[len(prompt) :] + opening, stop, "")
        end += stop.end()
        return Answer(prompt, text[len(prompt) : end], stop[0], text[end:])

    def _calls(self, number: int, prompt: str, after: str) -> Answer:
        """An answer with tool calls, which may end otherwise than others, as with `<|call|>`."""
        text = self.text(number)
        if not text.startswith(prompt):
            raise ValueError(f"turn {number}: {self._unlike(text, prompt)}")
        body = text[len(prompt) :]
        if unsaid(self._messages[number - 1], body) is not None:
            raise ValueError(f"turn {number}: {self._rewritten(self._messages[number - 1], body)}")
        usual = self._special.search(after)
        if usual is None:
            opening, stop = self.opening(number)
            return Answer(prompt, body + opening, stop, "")
        stops = [*self._special.finditer(body)]
        if not stops:
            raise ValueError(f"turn {number}: {self._endless()}")
        last = next((found for found in reversed(stops) if found[0] == usual[0]), stops[-1])
        return Answer(prompt, body[: last.end()], last[0], body[last.end() :])

    def opening(self, number: int) -> tuple[str, str]:
        """What the template writes behind an answer that it does not end: the opening of the next turn, as GLM-4.5.

        Returns:
            The text up to and including its special token, at which a model stops, and that token.
        """
        message, follows = self._messages[number - 1], self._messages[number : number + 1]
        if not follows or follows[0].role == "assistant":
            follows = [Message("tool" if message.calls else "user", NEXT)]
        text = self.text(number)
        try:
            behind = self._render([*self._messages[:number], *follows], self._hidden_tools, False)
        except FAULTS:
            behind = ""
        rest = behind.removeprefix(text)
        stop = self._special.search(rest)
        if not behind.startswith(text) or stop is None or rest[: stop.start()].strip():
            raise ValueError(f"turn {number}: {self._endless()}")
        return rest[: stop.end()], stop[0]

    def _endless(self) -> str:
        return (
            f"no special token of this tokenizer follows the answer in the chat_template of {self._path}, nor begins "
            "the next turn, so the model would never stop: use the template's own tokenizer, or set "
            "data.template.added_tokens=true for a template written for the tokens that lm adds"
        )

    def _continued(self, prompt: str, before: str, after: str, message: Message) -> str | None:
        """A prompt that opens thoughts, continued by an answer that begins with them, of which a template has none.

        DeepSeek-R1's prompts with `<think>` and removes thoughts from all answers: chat reads them nevertheless.
        """
        opening, said = prompt.removeprefix(before), message.content.strip()
        if not prompt.startswith(before) or not opening.strip() or not said.startswith(opening.strip()):
            return None
        begun = opening if said.startswith(opening) else opening.strip()
        return prompt + said.removeprefix(begun).lstrip() + after

    def _shortened(self, text: str) -> str:
        shown = self.disguise.show(text)
        return repr(shown if len(shown) <= 40 else f"{shown[:40]} …")

    def _rewritten(self, message: Message, text: str) -> str:
        if message.calls and (part := unsaid(message, text)) is not None:
            return (
                f"the chat_template of {self._path} leaves out {self._shortened(part)} of this tool call, or spells it "
                f"otherwise: {OTHERWISE}, which writes calls as JSON"
            )
        return (
            f"the chat_template of {self._path} rewrites the content of the {message.role} turn, or leaves part of it "
            "out: change the content, or remove the conversation"
        )

    def _unlike(self, text: str, prompt: str) -> str:
        """Why a text cannot be learned that does not begin as chat prompts."""
        same = next((at for at, pair in enumerate(zip(text, prompt, strict=False)) if len({*pair}) > 1), len(text))
        written = self.disguise.show(text[max(0, same - 30) : same + 30])
        marks = THOUGHT_MARKS.findall(prompt[-40:])  # how the prompt ends decides what the answer may begin with
        opens, closes = "let the answer begin with the thoughts that the prompt opens, ", "remove its thoughts, "
        remedy = (closes if "/" in marks[-1] else opens) if marks else ""
        return (
            f"before this answer the chat_template of {self._path} writes {written!r}, but prompts with "
            f"{self.disguise.show(prompt)[-60:]!r}: {remedy}set data.template.variables as you will prompt, or use "
            "another template"
        )

    def spans(self, text: str, messages: Sequence[Message]) -> list[Span]:
        """Find the answers in a text that begins with these turns.

        Raises:
            ValueError: An answer that is learned stands there otherwise than chat would write it; with the turn.
        """
        spans = []
        for number, message in enumerate(messages, start=1):
            if message.role != "assistant":
                continue
            if message.supervised:
                answer = self.answer(number)
                if not text.startswith(answer.prompt + answer.text):
                    raise ValueError(
                        f"turn {number}: the chat_template of {self._path} writes this answer otherwise once other "
                        "turns follow it, so it must be learned in a conversation that ends with it: `lm instruct` "
                        "splits the conversation; split yours, or mark the answer as not to be learned"
                    )
                start = len(answer.prompt)
                spans.append(Span(start, start + len(answer.text)))
            elif (start := self._start(number, text)) is not None:
                spans.append(Span(start, start, supervised=False))
        return spans

    def follows(self, text: str, number: int) -> bool:
        """Whether the answer in turn `number` stands in the text as chat would write it."""
        answer = self.answer(number)
        return text.startswith(answer.prompt + answer.text)

    def _start(self, number: int, text: str) -> int | None:
        """Where the prompt of an answer that is not learned ends, if the text begins with it."""
        try:
            prompt = self.prompt(number - 1)
        except ValueError:  # the template does not prompt there
            return None
        return len(prompt) if text.startswith(prompt) else None

    def check(self, messages: Sequence[Message]) -> None:
        """Refuse turns of which the template leaves out part, and answers that it does not write as it prompts.

        Thoughts of earlier answers may be left out, as chat leaves them out too.

        Raises:
            ValueError: What is wrong, with the turn.
        """
        text, at = self.text(len(messages)), 0
        for number, message in enumerate(self._messages[: len(messages)], start=1):
            at = end_of_turn(message, text, at)
            if at < 0:
                raise ValueError(f"turn {number}: {self._rewritten(message, text)}")
        for number, message in enumerate(messages, start=1):
            if message.learned:
                self.answer(number)

    def _rendered(self, turns: int, prompt: bool) -> str:
        try:
            return self._render(self._messages[:turns], self._hidden_tools, prompt)
        except FAULTS as error:
            number = turns + 1 if prompt else self._refused(turns)
            role = self._messages[number - 1].role if number <= len(self._messages) else "assistant"
            what = "does not prompt for an answer here" if prompt else f"refuses this {role} turn"
            remedy = remedy_of(error) or REMEDIES.get((role, number == 1), "") + OTHERWISE
            raise ValueError(f"turn {number}: the chat_template of {self._path} {what}: {error}: {remedy}") from None

    def _refused(self, turns: int) -> int:
        """The first turn with which, and with all that follow, the template refuses the conversation."""
        while turns > 1:
            try:
                self._render(self._messages[: turns - 1], self._hidden_tools, False)
            except FAULTS:
                turns -= 1
            else:
                break
        return turns


def said_of(messages: Sequence[Message]) -> Said:
    """Return what determines the text of turns."""
    return tuple((message.role, message.content, message.reasoning, len(message.calls)) for message in messages)


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    """The same plain data with every text changed."""
    if isinstance(value, dict):
        return {key: _mapped(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mapped(item, change) for item in value]
    return change(value) if isinstance(value, str) else value
