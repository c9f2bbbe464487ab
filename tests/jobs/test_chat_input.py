"""Whatever a person types, pastes or pipes in is the message that they mean."""

import io
import os
import pty
import select
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from lm.jobs import chat as jobs_chat
from lm.jobs.chat_input import COMMANDS, Entry, as_utf8, next_entry, open_input
from lm.process import signals

PASTED = "def f(x):\n    return x\nWhat does it do?"


def entries(text: str) -> list[Entry]:
    """What is read from a pipe with this text."""
    lines = iter(text.splitlines())

    def read(_: str) -> str:
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    found = []
    try:
        while True:
            found.append(next_entry(read))
    except EOFError:
        return found


def test_only_the_exact_names_of_commands_are_commands() -> None:
    assert [next_entry(lambda _, text=text: f" {text} ") for text in COMMANDS] == [
        Entry(text, command=True) for text in COMMANDS
    ]


@pytest.mark.parametrize(
    "text",
    [
        "/usr/bin/python what is this?",
        "/* comment */",
        "// comment",
        "/help me",
        "/",
        "/HELP",
        "//usr",
        "/exit\n/x",
    ],
)
def test_any_other_text_may_begin_with_a_slash(text: str) -> None:
    assert next_entry(lambda _: text) == Entry(text)


def test_two_slashes_say_the_name_of_a_command_to_the_model() -> None:
    assert [next_entry(lambda _, text=text: f"/{text}") for text in COMMANDS] == [Entry(text) for text in COMMANDS]


def test_a_word_like_a_command_is_sent_with_a_note() -> None:
    entry = next_entry(lambda _: "/quit")
    assert (entry.text, entry.command) == ("/quit", False)
    assert entry.note == "/quit is no command and is sent as text; /help lists the commands"
    assert next_entry(lambda _: "/etc/hosts").note == ""


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        (f'"""\n{PASTED}\n"""\nnext\n', [PASTED, "next"]),
        ('"""\n/exit\n\n"""  not yet\n """ \n/exit\n', ['/exit\n\n"""  not yet', "/exit"]),
        ('"""\nunclosed\nto the end', ["unclosed\nto the end"]),
        ('"""', []),
        ('"""one line"""\n', ['"""one line"""']),
        ('"""\n\n    indented stays  \nlast  \n\n"""', ["    indented stays  \nlast"]),
    ],
)
def test_lines_between_triple_quotes_are_one_message(text: str, messages: list[str]) -> None:
    found = entries(text)
    assert [entry.text for entry in found] == messages
    assert [entry.command for entry in found] == [False] * len(messages[:-1]) + [text.endswith("/exit\n")] * bool(
        messages
    )


def test_a_pasted_text_is_one_message_whatever_its_lines_are() -> None:
    for text in (PASTED, "/exit\nor not", '"""\nA docstring.\n"""\nimport x'):
        assert next_entry(lambda _, text=text: f"\n{text}\n") == Entry(text)


def test_bytes_that_are_not_utf_8_are_counted_and_do_not_end_the_chat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sys.stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9 \xff\r\n\xc3\xa9 \xf0\x9f\x99\x82\n"), "utf-8")
    )
    read, interactive = open_input()
    assert not interactive
    assert next_entry(read) == Entry("caf\ufffd \ufffd", note="2 bytes of the message that are not UTF-8 became \ufffd")
    assert next_entry(read) == Entry("é 🙂")
    assert as_utf8("é".encode().decode("ascii", "surrogateescape")) == "é"


class Echo:
    """A conversation whose replies repeat the messages."""

    note = ""

    def reset(self) -> None:
        pass

    def reply(self, content: str) -> Iterator[str]:
        yield f"<{content!r}>"
        if content == "wait":
            time.sleep(20)
            yield "waited"


class Terminal:
    """A chat in a pseudoterminal; what it shows, and how it ended."""

    def __init__(self) -> None:
        self.child, self.handle = pty.fork()
        if self.child == 0:  # pragma: no cover
            code = 1
            try:
                sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
                os.environ["TERM"] = "xterm-256color"
                signals.end_in_words(["chat"])
                signals._Process.at_once = False  # as in a job
                jobs_chat._converse(jobs_chat.Chats([Echo()]))
            except EOFError:
                code = 0
            finally:
                with suppress(OSError):  # the terminal is gone
                    sys.stdout.flush()
                os._exit(code)
        self.shown, self.read = "", 0
        self.wait("Type a message")
        self.wait("you")

    def send(self, text: str | bytes, *expected: str) -> None:
        os.write(self.handle, text.encode() if isinstance(text, str) else text)
        for each in expected:
            self.wait(each)

    def wait(self, text: str) -> None:
        """Read until a text is shown after those waited for before."""
        ends = time.monotonic() + 20
        while text not in self.shown[self.read :] and time.monotonic() < ends:
            if select.select([self.handle], [], [], 0.1)[0]:
                try:
                    self.shown += os.read(self.handle, 65536).decode(errors="replace")
                except OSError:  # the child ended
                    break
        assert text in self.shown[self.read :], self.shown
        self.read = self.shown.index(text, self.read) + len(text)

    def exit_code(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.child, 0)[1])


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    pytest.importorskip("prompt_toolkit", reason="prompt_toolkit is not installed: pip install -e .")
    chat = Terminal()
    yield chat
    os.close(chat.handle)


def test_in_a_terminal_pasted_lines_are_one_message(terminal: Terminal) -> None:
    terminal.send(f"\x1b[200~{PASTED}\x1b[201~", "What does it do?")
    assert "model" not in terminal.shown
    terminal.send("\r", f"<{PASTED!r}>", "you")
    terminal.send("one\x1b\rtwo 字é🙂\r", "<'one\\ntwo 字é🙂'>", "you")
    terminal.send("/usr/bin\r", "<'/usr/bin'>", "you")
    terminal.send("//help\r", "<'/help'>", "you")
    terminal.send("/help\r", "Alt-Enter", "you")
    terminal.send("\x1b[A\x1b[A\x1b[A\x1b[A\r", "<'one\\ntwo 字é🙂'>", "you")  # from the history
    terminal.send(b"caf\xe9\r", "1 bytes of the message", "you")
    terminal.send("/exit\r")
    assert terminal.exit_code() == 1  # by return, not by EOFError


def test_in_a_terminal_ctrl_c_stops_a_reply_and_ctrl_d_ends_the_chat(terminal: Terminal) -> None:
    for _ in range(3):
        terminal.send("wait\r", "<'wait'>")
        terminal.send("\x03", "(stopped)", "you")
    terminal.send("half a line\x03", "(quit with Ctrl-D or /exit)", "you")
    terminal.send("next\r", "<'next'>", "you")
    assert "waited" not in terminal.shown
    terminal.send("\x04")
    assert terminal.exit_code() == 0
