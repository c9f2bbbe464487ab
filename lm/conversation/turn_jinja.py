"""A template of turns as a chat_template in Jinja, which transformers renders to the same text."""

from collections.abc import Mapping

from lm.conversation.jinja_source import literal
from lm.conversation.rendered_text import special_pattern
from lm.conversation.tools import HEADING
from lm.tokenizer import Tokenizer

SLOT = "{}"
OPEN = "ns.open"  # whether text, rather than a special token, stands before what is written next
TOOLS = """\
{%- for tool in tools or [] -%}
{%- set ns.tools = ns.tools + '\\n' + ((tool.function or tool) | tojson) -%}
{%- endfor -%}
{%- set turns = messages -%}
{%- if ns.tools -%}
{%- set ns.tools = HEADING + ns.tools -%}
{%- if messages and messages[0].role == 'system' -%}
{%- set first = {'role': 'system', 'content': messages[0].content + '\\n\\n' + ns.tools} -%}
{%- set turns = [first] + messages[1:] -%}
{%- else -%}
{%- set turns = [{'role': 'system', 'content': ns.tools}] + messages -%}
{%- endif -%}
{%- endif -%}"""
CALLS = """\
{%- set ns.content = message.content or '' -%}
{%- for each in message.tool_calls or [] -%}
{%- set call = each.function or each -%}
{%- set arguments = call.arguments if call.arguments is string else call.arguments | tojson -%}
{%- set line = '{"name": ' + (call.name | tojson) + ', "arguments": ' + arguments + '}' -%}
{%- set ns.content = ns.content + ('\\n' if ns.content else '') + line -%}
{%- endfor -%}"""
ALTERNATING = """\
{%- set due = 'user' if ns.last in ['system', 'assistant'] else 'assistant' -%}
{%- if not (message.role == 'system' and loop.first) and message.role != due -%}
{{- raise_exception('user and assistant alternate in this template') -}}
{%- endif -%}
{%- set ns.last = message.role -%}"""


class TurnJinja:
    """Write turns in Jinja.

    Text after a special token loses the space that the tokenizer puts before every text, and an answer is encoded apart
    from the text before it: there stands `boundary`, at which the exported tokenizer splits.

    Args:
        turns: Role → text with `{}`, the special tokens spelled as the tokenizer has them.
        begin: Text before the first turn.
        default_system: System text of conversations without a system turn; None for none.
        system_in_user: Whether the system text stands at the beginning of the next turn.
        alternating: Whether user and assistant must alternate.
        trim: Roles whose contents lose white space at their ends.
        trim_after_system: Whether the start of a question is trimmed after a system text within it.
        tokenizer: Reads the text.
        boundary: Character that stands before an answer; "" for none.
    """

    def __init__(
        self,
        turns: Mapping[str, str],
        *,
        begin: str,
        default_system: str | None,
        system_in_user: bool,
        alternating: bool,
        trim: list[str],
        trim_after_system: bool,
        tokenizer: Tokenizer,
        boundary: str,
    ):
        self.turns = {role: text.partition(SLOT)[::2] for role, text in turns.items()}
        self.begin, self.default_system, self.system_in_user = begin, default_system, system_in_user
        self.alternating, self.trim, self.trim_after_system = alternating, trim, trim_after_system
        self.prefix, self.boundary = tokenizer.prefix_within.decode(), boundary
        self.special = special_pattern(tokenizer.special_tokens)

    def source(self) -> str:
        """Return the Jinja source."""
        lines = ["{%- set ns = namespace(tools='', system=none, last='system', open=false, content='') -%}"]
        lines += [TOOLS.replace("HEADING", literal(HEADING)), *self._text(self.begin)]
        if self.default_system is not None:
            lines.append("{%- if not turns | selectattr('role', 'equalto', 'system') | list -%}")
            lines += [*self._around("system", literal(self.default_system)), "{%- endif -%}"]
        lines += ["{%- for message in turns -%}", CALLS, *([ALTERNATING] if self.alternating else [])]
        for number, role in enumerate(self.turns):
            lines += [f"{{%- {'elif' if number else 'if'} message.role == {literal(role)} -%}}", *self._turn(role)]
        lines += ["{%- else -%}", "{{- raise_exception('this template has no ' + message.role + ' turn') -}}"]
        lines += ["{%- endif -%}", "{%- endfor -%}", "{%- if add_generation_prompt -%}"]
        return "\n".join([*lines, *self._opening(prompt=True), "{%- endif -%}"])

    def _turn(self, role: str) -> list[str]:
        """The lines of a turn."""
        content = "ns.content | trim" if role in self.trim else "ns.content"
        if role == "system" and self.system_in_user:
            return [f"{{%- set ns.system = {content} -%}}"]
        if role == "assistant":
            return [*self._pending(self._opening()), *self._said(content), *self._text(self.turns[role][1])]
        if role in self.trim and not self.trim_after_system:
            content = f"(ns.content | trim) if {'ns.system is none'} else ns.content.rstrip()"
        said = [*self._pending(self._text(self.turns[role][0])), *self._said(content)]
        return [*said, *self._text(self.turns[role][1]), *self._done()]

    def _pending(self, opening: list[str]) -> list[str]:
        """The opening of a turn, and the system text where it stands within."""
        if not self.system_in_user:
            return opening
        return [*opening, "{%- if ns.system is not none -%}", *self._around("system", "ns.system"), "{%- endif -%}"]

    def _done(self) -> list[str]:
        return ["{%- set ns.system = none -%}"] if self.system_in_user else []

    def _around(self, role: str, content: str) -> list[str]:
        before, after = self.turns[role]
        return [*self._text(before), *self._said(content), *self._text(after)]

    def _said(self, content: str) -> list[str]:
        """The lines that write what somebody says."""
        return [f"{{{{- {content} -}}}}", *([f"{{%- set {OPEN} = true -%}}"] if self.prefix else [])]

    def _text(self, text: str) -> list[str]:
        """The lines that write a text of the template."""
        if not text:
            return []
        begun, joined = self._cut(text, begins=True), self._cut(text, begins=False)
        lines = [_either(joined, begun)]
        if self.prefix:
            lines.append(f"{{%- set {OPEN} = {'true' if self.special.split(text)[-1] else 'false'} -%}}")
        return lines

    def _opening(self, *, prompt: bool = False) -> list[str]:
        """The lines that write what precedes an answer, which is encoded apart from it."""
        text = self.turns["assistant"][0]
        begun, joined = (self._before(self._cut(text, begins=begins), begins, prompt) for begins in (True, False))
        return [_either(joined, begun)] if begun or joined else []

    def _before(self, text: str, begins: bool, prompt: bool) -> str:
        """The text before an answer, and the boundary if a text ends there."""
        pieces = self.special.split(text)
        if not pieces[-1] and (len(pieces) > 1 or begins):
            return text
        if prompt or self.boundary:
            text = text.removesuffix(self.prefix)
        ended = not self.special.split(text)[-1] and (len(pieces) > 1 or begins)
        return text if ended or prompt else text + self.boundary

    def _cut(self, text: str, *, begins: bool) -> str:
        """The text without the space that the tokenizer puts before every text, where one begins."""
        if not self.prefix:
            return text
        pieces = self.special.split(text)
        starts = [begins, *[True] * len(pieces)]
        return "".join(
            piece.removeprefix(self.prefix) if start else piece for piece, start in zip(pieces, starts, strict=False)
        )


def _either(joined: str, begun: str) -> str:
    """The line that writes a text, which may differ where a text begins."""
    if joined == begun:
        return f"{{{{- {literal(joined)} -}}}}"
    return f"{{{{- {literal(joined)} if {OPEN} else {literal(begun)} -}}}}"
