"""Messages for a chat, typed, pasted or piped in."""

import os
import re
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

COMMANDS = ("/help", "/retry", "/reset", "/system", "/set", "/save", "/load", "/exit")
WITH_ARGUMENT = ("/system", "/set", "/save", "/load")
HELP = '''/help               this list
/retry              another answer to your last message
/reset              start a new conversation
/system TEXT        set the system text; none removes it, nothing shows it
/set NAME VALUE     temperature, top_p, top_k, repetition_penalty, max_tokens, seed; nothing shows them
/save FILE          keep the conversation in a file, as a line of JSON that training reads too
/load FILE          continue a conversation from a file
/exit               quit, as does Ctrl-D; Ctrl-C stops a reply
Any other text is a message, also one that begins with / (//help says "/help" to the model).
Several lines: paste them; or Alt-Enter for a new line; or a line """ before them and one after.'''
FENCE = '"""'
REPLACED = "\N{REPLACEMENT CHARACTER}"
YOU, MORE = "you   ", "      "  # before a message, and before its further lines

Read = Callable[[str], str]  # what stands before it → the next entry; EOFError at the end, KeyboardInterrupt by Ctrl-C


@dataclass(frozen=True)
class Entry:
    """What a user entered.

    Args:
        text: A message or the name of a command; "" if there was nothing but blanks.
        command: Whether it is a command.
        argument: What follows the name of a command.
        note: What the user should know about it.
    """

    text: str
    command: bool = False
    argument: str = ""
    note: str = ""


def next_entry(read: Read) -> Entry:
    """The next command or message; lines between two that are FENCE, or the end of the input, are one message."""
    text = read(YOU)
    if text.strip() == FENCE:
        return _message("\n".join(_fenced(read)))
    if "\n" in text.strip():
        return _message(text)
    text = text.strip()
    name, _, argument = text.partition(" ")
    if text in COMMANDS or name in WITH_ARGUMENT:
        return Entry(name, command=True, argument=argument.strip())
    if text[:1] == "/" and (text[1:] in COMMANDS or name[1:] in WITH_ARGUMENT):
        return Entry(text[1:])
    unknown = re.fullmatch(r"/[a-z]+", text)
    note = f"{text} is no command and is sent as text; /help lists the commands" if unknown else ""
    return _message(text, note)


def open_input() -> tuple[Read, bool]:
    """How entries are read, and whether from a terminal: there pasted lines are one entry, in a pipe each is one."""
    if sys.stdin.isatty() and (sys.stdout.isatty() or sys.stderr.isatty()):
        return _terminal(), True
    if hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(errors="surrogateescape")  # bytes of another encoding are no reason to fail
    return _line, False


def as_utf8(text: str) -> str:
    """Read bytes that the terminal's encoding does not know as UTF-8; invalid ones become �."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _message(text: str, note: str = "") -> Entry:
    """Blank lines around a message and blanks at its end are not part of it."""
    known = as_utf8(text)
    if invalid := known.count(REPLACED) - text.count(REPLACED):
        note = f"{invalid} bytes of the message that are not UTF-8 became {REPLACED}"
    lines = known.rstrip().split("\n")
    while lines and not lines[0].strip():
        lines.pop(0)
    return Entry("\n".join(lines), note=note)


def _fenced(read: Read) -> list[str]:
    lines: list[str] = []
    try:
        while (line := read(MORE)).strip() != FENCE:
            lines.append(line)
    except EOFError:
        if not lines:
            raise
    return lines


def _line(_: str) -> str:
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.rstrip("\r\n")


def _terminal() -> Read:
    """Entries by prompt_toolkit, which knows bracketed paste, history and wide characters on every terminal."""
    os.environ.setdefault("PROMPT_TOOLKIT_NO_CPR", "1")  # else terminals without cursor reports get a warning
    from prompt_toolkit import PromptSession
    from prompt_toolkit.key_binding import KeyBindings
    from prompt_toolkit.output import create_output

    keys = KeyBindings()
    keys.add("escape", "enter")(lambda event: event.current_buffer.insert_text("\n"))
    session: PromptSession[str] = PromptSession(
        output=create_output(always_prefer_tty=True),  # the terminal, also in `lm chat | tee`
        key_bindings=keys,
        prompt_continuation=MORE,
        enable_suspend=True,
    )
    signal.set_wakeup_fd(-1)  # here Ctrl-C stops a reply, any number of times, and does not end the command
    return session.prompt
