"""A chat continues whatever is typed and however long it gets."""

import io
from collections.abc import Iterator

import pytest

from lm.conversation import Message, RecordedTemplate
from lm.generation import Generator, Sampling
from lm.jobs.chat import Chat, chat
from lm.model import Transformer
from lm.tools import Calculator, Toolbox
from support.small_chat import ByteTokenizer, Letters, small_model

NUCLEUS = Sampling(temperature=0.7, top_k=26)


class Recorder(Generator):
    """Records its prompts."""

    def __init__(self, *arguments) -> None:
        super().__init__(*arguments)
        self.prompts: list[str] = []

    def stream(self, prompt, **options) -> Iterator[str]:
        self.prompts.append(self.tokenizer.decode(prompt))
        assert len(prompt) <= self.model.context
        return super().stream(prompt, **options)


def conversation(**changes) -> Chat:
    settings = {"template": Letters(), "sampling": NUCLEUS, "max_tokens": 8, "seed": 1}
    return Chat(Recorder(small_model(), ByteTokenizer()), **(settings | changes))


def printed(capsys, monkeypatch, lines: str, **changes) -> str:
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    settings = {"template": Letters(), "sampling": NUCLEUS, "max_tokens": 8, "seed": 1}
    chat(small_model, ByteTokenizer(), **(settings | changes))
    return capsys.readouterr().out


def test_one_message_gets_one_reply_and_nothing_else(capsys, monkeypatch):
    reply = "".join(conversation().reply("hello"))
    assert len(reply) > 0
    assert printed(capsys, monkeypatch, "", message="hello") == reply + "\n"


def test_lines_from_a_pipe_are_a_conversation(capsys, monkeypatch):
    talk = conversation()
    expected = "".join("".join(talk.reply(words)) + "\n" for words in ("hello", "and you?"))
    assert printed(capsys, monkeypatch, "hello\n\nand you?\n") == expected
    assert talk.generator.prompts[1].startswith("u:helloa:")


def test_the_conversation_is_remembered_until_reset(capsys, monkeypatch):
    talk = conversation(system="be kind")
    first = "".join(talk.reply("hello"))
    "".join(talk.reply("more"))
    talk.reset()
    "".join(talk.reply("again"))
    assert talk.generator.prompts == [
        "s:be kindu:helloa:",
        f"s:be kindu:helloa:{first}u:morea:",
        "s:be kindu:againa:",
    ]
    reset = printed(capsys, monkeypatch, "hello\n/reset\nhello\n")
    assert "(new conversation)" in reset


def test_a_reply_is_remembered_without_what_the_template_writes_around_answers():
    class Marked(Letters):
        def content(self, reply, tokenizer):
            return "said"

    talk = conversation(template=Marked())
    "".join(talk.reply("hello"))
    "".join(talk.reply("more"))
    assert talk.generator.prompts[1] == "u:helloa:saidu:morea:"


def test_exit_quits_help_explains_and_what_else_begins_with_a_slash_is_answered(capsys, monkeypatch):
    assert printed(capsys, monkeypatch, "/exit\nhello\n") == ""
    assert "/reset" in printed(capsys, monkeypatch, "/help\n")
    for line, message in {
        "/usr/bin/python what is this?": None,
        "//help": "/help",
        '"""\na\n  b\n"""': "a\n  b",
    }.items():
        reply = "".join(conversation().reply(message or line))
        assert printed(capsys, monkeypatch, f"{line}\n") == reply + "\n"


@pytest.mark.parametrize("message", [None, "hello"])
def test_an_untuned_model_is_told_to_be_one_once_and_not_among_its_replies(capsys, monkeypatch, tmp_path, message):
    monkeypatch.setattr("sys.stdin", io.StringIO("hello\nmore\n"))
    settings = {"template": Letters(), "sampling": NUCLEUS, "max_tokens": 8, "seed": 1, "message": message}
    recorded = RecordedTemplate(str(tmp_path))
    chat(small_model, ByteTokenizer(), recorded=recorded, **settings)
    shown = capsys.readouterr()
    assert shown.err.count(f"({tmp_path} was not trained on conversations: it continues text") == 1
    assert "conversations" not in shown.out
    (tmp_path / "conversation.json").write_text('{"_target_": "Letters"}')
    monkeypatch.setattr("sys.stdin", io.StringIO("hello\n"))
    chat(small_model, ByteTokenizer(), recorded=recorded, **settings)
    assert "was not trained" not in capsys.readouterr().err
    (tmp_path / "conversation.json").unlink()
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}")  # of a published model
    monkeypatch.setattr("sys.stdin", io.StringIO("hello\n"))
    chat(small_model, ByteTokenizer(), recorded=recorded, **settings)
    assert not capsys.readouterr().err


def test_a_long_conversation_drops_its_oldest_turns_and_keeps_the_system(capsys, monkeypatch):
    talk = conversation(system="be kind")
    notes = []
    for number in range(12):
        "".join(talk.reply(f"question {number}"))
        notes.append(talk.note)
    assert all(prompt.startswith("s:be kindu:question") for prompt in talk.generator.prompts)
    assert all(f"u:question {n}a:" in prompt for n, prompt in enumerate(talk.generator.prompts))
    assert "question 0" not in talk.generator.prompts[-1]
    assert notes[0] == ""
    assert any("earlier turns no longer fit" in note for note in notes)
    lines = "".join(f"question {number}\n" for number in range(12))
    assert "earlier turns no longer fit" in printed(capsys, monkeypatch, lines, system="be kind")


@pytest.mark.parametrize("system", [None, "be kind", "s" * 70])
@pytest.mark.parametrize("words", ["x" * 500 + "END", "é" * 300 + "END", "🙂" * 50 + "END"])
@pytest.mark.filterwarnings("error")
def test_a_message_longer_than_the_context_is_shortened_with_a_note(system, words):
    talk = conversation(system=system)
    "".join(talk.reply("hello"))
    "".join(talk.reply(words))
    assert "the beginning of your message does not fit" in talk.note
    prompt = talk.generator.prompts[-1]
    assert prompt.startswith(f"s:{system}u:" if system else "u:")
    assert "\N{REPLACEMENT CHARACTER}" not in prompt
    assert "END".endswith(prompt.removesuffix("a:")[-1])
    "".join(talk.reply("ok"))
    assert talk.turns[-2] == Message("user", "ok")


def test_a_system_turn_that_leaves_no_room_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"system and its special tokens take \d+ .*context of 96.*88: shorten it"):
        conversation(system="s" * 90)


def test_an_interrupted_reply_is_kept():
    talk = conversation()
    reply = talk.reply("hello")
    piece = next(reply)
    reply.close()
    assert talk.turns == [Message("user", "hello"), Message("assistant", piece)]


def test_an_interrupt_stops_the_reply_and_not_the_chat(capsys, monkeypatch):
    forward, calls = Transformer.hidden, []

    def interrupted(self, *arguments):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return forward(self, *arguments)

    monkeypatch.setattr(Transformer, "hidden", interrupted)
    lines = printed(capsys, monkeypatch, "hello\nstill there?\n").splitlines()
    assert lines[0].endswith(" (stopped)")
    assert len(calls) > 4
    assert lines[1]


def test_questions_are_asked_one_by_one_where_there_is_no_message(capsys, monkeypatch):
    reply, other = ("".join(conversation().reply(asked)) for asked in ("hello", "hello\nyou"))
    assert printed(capsys, monkeypatch, "", questions=lambda: ["hello", "hello\nyou"]) == (
        f"you   hello\nmodel {reply}\nyou   hello\n      you\nmodel {other}\n"
    )
    assert printed(capsys, monkeypatch, "", message="hello", questions=lambda: ["other"]) == f"{reply}\n"


class Scripted(Recorder):
    """Says what it is told to, turn by turn."""

    def __init__(self, *texts) -> None:
        super().__init__(small_model(), ByteTokenizer())
        self.texts = [*texts]
        self.model.context = 700

    def stream(self, prompt, **options) -> Iterator[str]:
        self.prompts.append(self.tokenizer.decode(prompt))
        yield from self.texts.pop(0)


CALL = '{"name": "calculator", "arguments": {"expression": "6 * 7"}}'


def with_calculator(*texts, **changes) -> Chat:
    settings = {"template": Letters(), "sampling": NUCLEUS, "max_tokens": 8, "seed": 1}
    toolbox = Toolbox([Calculator()], max_calls=2)
    return Chat(Scripted(*texts), toolbox=toolbox, **(settings | changes))


def test_a_call_of_a_tool_is_answered_and_the_reply_goes_on():
    talk = with_calculator(CALL, "It is 42.", "yes")
    assert "".join(talk.reply("6 * 7?")) == f"{CALL}\n(42)\nIt is 42."
    assert [turn.role for turn in talk.turns] == ["user", "assistant", "tool", "assistant"]
    assert talk.generator.prompts[0].startswith('s:Tools:\n{"name": "calculator"')
    assert talk.generator.prompts[1].endswith(f"u:6 * 7?a:{CALL}t:42a:")
    assert "".join(talk.reply("sure?")) == "yes"


def test_calls_in_one_reply_are_limited():
    talk = with_calculator(CALL, CALL, CALL, "no more")
    assert "".join(talk.reply("6 * 7?")).count("(42)") == 2
    assert talk.generator.texts == ["no more"]


def test_old_questions_are_dropped_with_the_results_of_their_tools():
    talk = with_calculator(CALL, "It is 42.", CALL, "It is 42.", "end")
    talk.max_prompt = 400
    for _ in range(2):
        "".join(talk.reply("x" * 60))
    "".join(talk.reply("last"))
    assert talk.turns[0].role == "user"
    assert "earlier turns no longer fit" in talk.note


def test_tools_need_a_template_with_a_tool_turn():
    class WithoutTools(Letters):
        def prompt(self, messages, tokenizer, *, tools=()):
            if any(message.role == "tool" for message in messages):
                raise ValueError("turn 3: this template has no tool turn")
            return super().prompt(messages, tokenizer)

    with pytest.raises(ValueError, match=r"^tools: the model's template cannot write .*template=roles_with_tools"):
        with_calculator(template=WithoutTools())
