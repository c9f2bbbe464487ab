"""The chat_template of a Hugging Face model, written in Jinja."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date as today
from pathlib import Path

from lm.conversation.conversation import Conversation, Message, check_turn
from lm.conversation.jinja_source import CLOCK, FAULTS, Names, compile_source, read_source, set_line, variables_of
from lm.conversation.rendered_text import encode_rendered, special_pattern
from lm.conversation.script import PLACEHOLDER, Script, said_of
from lm.conversation.skeleton import Skeleton
from lm.conversation.template import EncodedConversation, Template, target_of
from lm.conversation.tool_calls import CALL, form_of
from lm.tokenizer import Tokenizer

THOUGHTS = ("reasoning_content", "thinking", "reasoning")  # what templates call the thoughts of an answer


class ChatTemplate(Template):
    """The `chat_template` of an imported model, rendered in jinja2's sandbox as transformers does.

    An answer is learned after the text that the template prompts with, as the template writes it when it is the last
    turn, up to the first special token after it. Where the template writes it otherwise once turns follow, as Qwen3,
    which puts an empty think block before the last answer only, `parts` splits the conversation, so that training
    equals prompting. A conversation is refused, by turn, if the template rewrites what is said or leaves it out.
    Special tokens are those of the imported tokenizer in the template's own text; what people say stays text.

    Args:
        path: A tokenizer_config.json, a chat_template.jinja, or a directory that holds either.
        variables: Further variables of the template, {enable_thinking: false}; null for none.
        date: Today for templates that ask for it with `strftime_now`, in ISO format. null takes the day on which the
            run starts; it is recorded, so that a resumed run and chat use the same one.
        added_tokens: Whether tokens that lm adds to an imported tokenizer, as `<|user|>`, are special tokens for the
            template too. false takes them as text, as the model does for which the template was written.
        source: The Jinja source, as a run recorded it; then `path` is not read. null reads `path`.
        names: Names of special tokens as the template uses them, {bos_token: "<s>"}; recorded with `source`.
    """

    separates_answers = False

    def __init__(
        self,
        path: str,
        *,
        variables: dict | None = None,
        date: str | None = None,
        added_tokens: bool = False,
        source: str | None = None,
        names: Names | None = None,
    ):
        self.path, self.variables, self.added_tokens = path, dict(variables or {}), added_tokens
        self._source, self._names = read_source(Path(path).expanduser()) if source is None else (source, names or {})
        read = variables_of(self._source)
        self.takes_tools = "tools" in read
        self.date_given = date is not None
        self.date = (date or today.today().isoformat()) if CLOCK in read else None
        self._template = compile_source(self._source, date=self.date, where=f"template.path {path}")
        self._form = form_of(self._write, faults=FAULTS) if "tool_calls" in self._source else None
        self.writes_calls = self._form is not None
        self._scripts: dict[str, Script] = {}  # the last one, by the tokenizer's fingerprint
        self._skeletons: dict[tuple, Skeleton] = {}
        self._stops: dict[str, list[str]] = {}

    def encode(self, conversation: Conversation, tokenizer: Tokenizer) -> EncodedConversation:
        conversation.check()
        messages, place = conversation.messages, conversation.place
        try:
            script = self._checked_script(conversation, tokenizer)
            text = script.whole(len(messages), learned=messages[-1].learned)
            spans = script.spans(text, messages)
        except ValueError as fault:
            raise ValueError(f"{place}, {fault}") from None
        return encode_rendered(
            text, spans, special=self.special_tokens(tokenizer), tokenizer=tokenizer, disguise=script.disguise
        )

    def parts(self, conversation: Conversation, tokenizer: Tokenizer) -> list[Conversation]:
        conversation.check()
        messages = conversation.messages
        learned = [number for number, message in enumerate(messages, start=1) if message.learned]
        try:
            script = self._checked_script(conversation, tokenizer)
            whole = script.whole(len(messages), learned=messages[-1].learned)
            if all(script.follows(whole, number) for number in learned):
                return [conversation]
            parts = []
            while learned:
                text = script.whole(learned[-1], learned=True)
                here = {number for number in learned if script.follows(text, number)}
                turns = enumerate(messages[: learned[-1]], start=1)
                parts.append(tuple(replace(turn, supervised=number in here) for number, turn in turns))
                learned = [number for number in learned if number not in here]
        except ValueError as fault:
            raise ValueError(f"{conversation.place}, {fault}") from None
        return [replace(conversation, messages=part) for part in reversed(parts)]

    def prompt(self, messages: Sequence[Message], tokenizer: Tokenizer, *, tools: Sequence[dict] = ()) -> list[int]:
        for number, message in enumerate(messages, start=1):
            check_turn(message, f"turn {number}")
        script = self._script(messages, tools, tokenizer)
        text = script.prompt(len(messages))
        self._check_names(text, tokenizer)
        spans = script.spans(text, [replace(message, supervised=False) for message in messages])
        return encode_rendered(
            text, spans, special=self.special_tokens(tokenizer), tokenizer=tokenizer, disguise=script.disguise
        ).tokens

    def stop_tokens(self, tokenizer: Tokenizer) -> list[int]:
        special = self.special_tokens(tokenizer)
        names = [*self._ends(tokenizer), str(self._names.get("eos_token")), *tokenizer.roles.ends]
        return list(dict.fromkeys(special[name] for name in names if name in special))

    def end_tokens(self, tokenizer: Tokenizer) -> list[int]:
        special = self.special_tokens(tokenizer)
        return [special[name] for name in self._ends(tokenizer)]

    def _ends(self, tokenizer: Tokenizer) -> list[str]:
        """The special tokens that end an answer, the usual one first: of plain answers and of tool calls."""
        if tokenizer.fingerprint not in self._stops:
            stops = [self._usual_end(tokenizer)]
            if self.writes_calls:
                with suppress(ValueError):  # it then refuses calls, where there are any
                    turns = [Message("user", "x"), Message("assistant", CALL, calls=(CALL,))]
                    stops.append(self._skeleton(turns, tokenizer).script.answer(2).stop)
            self._stops[tokenizer.fingerprint] = [*dict.fromkeys(stops)]
        return self._stops[tokenizer.fingerprint]

    def _usual_end(self, tokenizer: Tokenizer) -> str:
        stop = special_pattern(self.special_tokens(tokenizer)).search(self._around(tokenizer)[1])
        try:
            return stop[0] if stop else self._simplest(tokenizer).opening(2)[1]
        except ValueError:
            raise ValueError(
                f"template.path {self.path}: after an answer it writes {self._around(tokenizer)[1]!r}, which holds no "
                "special token of this tokenizer, and none begins the next turn, so the model would never stop: use it "
                "with the model's own tokenizer, use another template, as conversation@data.template=chatml, or set "
                "data.template.added_tokens=true for one that is written for the tokens that lm adds"
            ) from None

    def special_tokens(self, tokenizer: Tokenizer) -> dict[str, int]:
        return tokenizer.special_tokens if self.added_tokens else tokenizer.own_special_tokens

    def describe(self) -> dict:
        more = {"variables": self.variables, "date": self.date, "added_tokens": self.added_tokens}
        source = {"source": self._source, "names": self._names}
        return {"_target_": target_of(self), "path": self.path, **{k: v for k, v in more.items() if v}, **source}

    def jinja(self, tokenizer: Tokenizer, *, boundary: str = "") -> str:
        roles = tokenizer.roles
        given = {"bos_token": roles.beginning, "eos_token": roles.ends[0], "pad_token": roles.padding}
        given |= {"unk_token": roles.unknown} if roles.unknown else {}
        read = variables_of(self._source)
        names = {name: self._names.get(name, "") for name in [*given, *self._names] if name in read}
        sets = [set_line(name, text) for name, text in names.items() if text != given.get(name)]
        sets += [set_line(name, value, default=True) for name, value in self.variables.items()]
        return "".join([*sets, self._source])

    def as_recorded(self, description: dict) -> "ChatTemplate":
        own, recorded = ({**each, "path": None, "date": None} for each in (self.describe(), description))
        if self.date is None or self.date_given or own != recorded:
            return self
        given = {"variables": self.variables, "added_tokens": self.added_tokens}
        return ChatTemplate(self.path, date=description["date"], source=self._source, names=self._names, **given)

    def answer(self, conversation: Conversation, number: int, tokenizer: Tokenizer) -> str:
        script = self._script(conversation.messages, conversation.tools, tokenizer)
        answer = script.answer(number)
        return script.disguise.show(answer.text.removesuffix(answer.stop))

    def around(self, tokenizer: Tokenizer) -> tuple[str, str]:
        before, after = self._around(tokenizer)
        prompt, stop = self._simplest(tokenizer).prompt(1), special_pattern(self.special_tokens(tokenizer))
        before = stop.sub("", before.removeprefix(prompt))  # decoding leaves out special tokens
        return before, stop.split(after)[0]

    def _simplest(self, tokenizer: Tokenizer) -> Script:
        """One question and its answer."""
        return self._skeleton([Message("user", "x"), Message("assistant", "x")], tokenizer).script

    def _around(self, tokenizer: Tokenizer) -> tuple[str, str]:
        """What the template writes before and after the content of the only answer."""
        before, _, after = self._simplest(tokenizer).text(2).partition(PLACEHOLDER.format(1))
        return before, after

    def _checked_script(self, conversation: Conversation, tokenizer: Tokenizer) -> Script:
        """The script of a conversation that the template can express."""
        messages = conversation.messages
        self._skeleton(messages, tokenizer)
        script = self._script(messages, conversation.tools, tokenizer)
        self._check_names(script.text(len(messages)), tokenizer)
        script.check(messages)
        return script

    def _script(self, messages: Sequence[Message], tools: Sequence[dict], tokenizer: Tokenizer) -> Script:
        said, last = said_of(messages), self._scripts.get(tokenizer.fingerprint)
        if last is not None and last.said[: len(said)] == said and last.tools == tuple(tools):
            return last
        filled = None
        if not tools and not any(message.reasoning or message.calls for message in messages):
            with suppress(ValueError):  # it then renders the contents themselves
                filled = self._skeleton(messages, tokenizer).filled
        special = self.special_tokens(tokenizer)
        script = Script(messages, tools, render=self._render, special=special, path=self.path, filled=filled)
        self._scripts = {tokenizer.fingerprint: script}
        return script

    def _skeleton(self, messages: Sequence[Message], tokenizer: Tokenizer) -> Skeleton:
        turns = Skeleton.placeholders(messages)
        key = (tokenizer.fingerprint, turns)
        if key not in self._skeletons:
            special = self.special_tokens(tokenizer)
            self._skeletons[key] = Skeleton(turns, render=self._render, special=special, path=self.path)
        return self._skeletons[key]

    def _render(self, messages: Sequence[Message], tools: Sequence[dict], prompt: bool) -> str:
        if self._form is None:
            turns = [{"role": message.role, "content": message.content} for message in messages]
        else:
            turns = self._form.turns(messages)
        for turn, message in zip(turns, messages, strict=True):
            turn |= dict.fromkeys(THOUGHTS, message.reasoning) if message.reasoning else {}
        return self._write(turns, tools, prompt)

    def _write(self, turns: list[dict], tools: Sequence[dict] = (), prompt: bool = False) -> str:
        given = {"tools": list(tools) or None, "documents": None, **self._names, **self.variables}
        return self._template.render(messages=turns, add_generation_prompt=prompt, **given)

    def _check_names(self, text: str, tokenizer: Tokenizer) -> None:
        """Refuse a text with a special token that the model names and the tokenizer lacks."""
        for name, special in self._names.items():
            if isinstance(special, str) and special in text and special not in tokenizer.special_tokens:
                raise ValueError(
                    f"template.path {self.path} writes the {name} {special!r}, which is not a special token of this "
                    "tokenizer: use it with the model's own tokenizer"
                )
