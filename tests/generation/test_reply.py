"""Text is let through whole: no half characters, no part of a stop string."""

import pytest

from lm.generation.reply import Reply, StopText
from support.spaced import spaced_tokenizer


def spoken(text: bytes, stop: list[str], size: int) -> tuple[list[str], bool]:
    stream = StopText(stop)
    pieces = []
    for start in range(0, len(text), size):
        pieces.append(stream.push(text[start : start + size]))
        if stream.stopped:
            break
    return [*pieces, stream.finish()], stream.stopped


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
@pytest.mark.parametrize(
    ("text", "stop", "expected"),
    [
        ("one two three", ["two"], "one "),
        ("one two three", ["four"], "one two three"),
        ("aaab", ["aab"], "a"),
        ("ababac and more", ["abac"], "ab"),
        ("first\n\nsecond", ["\n\n"], "first"),
        ("first\nsecond\n", ["\n\n"], "first\nsecond\n"),
        ("xabz", ["xabz", "ab"], "x"),
        ("größer als Ü", ["Ü"], "größer als "),
        ("日本語 🙂!", ["🙂"], "日本語 "),
        ("nothing", [], "nothing"),
    ],
)
def test_a_stop_string_is_never_shown_however_it_is_cut(text, stop, expected, size):
    pieces, stopped = spoken(text.encode(), stop, size)
    assert "".join(pieces) == expected
    assert stopped == any(string in text for string in stop)


def test_a_character_waits_for_all_its_bytes():
    pieces, _ = spoken("é🙂".encode(), [], 1)
    assert pieces == ["", "é", "", "", "", "🙂", ""]


def test_half_a_character_at_the_end_is_dropped_and_a_broken_one_within_is_marked():
    assert "".join(spoken("a🙂".encode()[:-1], [], 1)[0]) == "a"
    assert "".join(spoken(b"a\xffb", [], 1)[0]) == "a\N{REPLACEMENT CHARACTER}b"


def test_only_what_could_become_a_stop_string_is_held_back():
    stream = StopText(["###"])
    assert [stream.push(b"a#"), stream.push(b"#b"), stream.push(b"##")] == ["a", "##b", ""]
    assert stream.finish() == "##"


def test_an_empty_stop_string_is_refused():
    with pytest.raises(ValueError, match="empty string"):
        StopText(["end", ""])


def read(tokens, after):
    return bytes(tokens)


def reply(prompt, **changes) -> Reply:
    settings = {"context": 8, "max_tokens": 5, "stop": [], "stop_tokens": [0], "decode_bytes": read}
    return Reply(prompt, **(settings | changes))


def test_a_reply_says_why_it_ended():
    ends = {}
    for name, row in {
        "stop_token": reply([1], stop=["cx"]),
        "stop_string": reply([1], stop=["bc"]),
        "length": reply([1], max_tokens=2, stop=["bx"], stop_tokens=[]),
    }.items():
        for token in (*b"abc", 0):
            if not row.reason:
                row.take(token)
        ends[name] = (row.reason, "".join(row.pieces), row.tokens)
    assert ends == {
        "stop_token": ("stop_token", "abc", [*b"abc", 0]),
        "stop_string": ("stop_string", "a", [*b"abc"]),
        "length": ("length", "ab", [*b"ab"]),
    }


@pytest.mark.parametrize(("prompt", "said"), [("role", "ab b"), ("word", " ab b")])
def test_a_reply_begins_without_the_space_that_every_text_of_the_tokenizer_has(prompt, said):
    tokenizer = spaced_tokenizer()
    before = tokenizer.role_tokens["assistant"] if prompt == "role" else tokenizer.encode("a")[0]
    row = reply([before], max_tokens=9, decode_bytes=tokenizer.decode_bytes, stop_tokens=[tokenizer.end_of_turn])
    for token in (*tokenizer.encode("ab b"), tokenizer.end_of_turn):
        row.take(token)
    assert "".join(row.pieces) == said


def test_a_window_slides_only_when_it_outgrows_the_context():
    row = reply(list(range(1, 9)), max_tokens=9)
    row.slide()
    assert row.window == [1, 2, 3, 4, 5, 6, 7, 8]
    row.take(9)
    row.slide()
    assert row.window == [6, 7, 8, 9]
