"""Text comes in whole characters and without any part of a stop string."""

import pytest

from lm.generation.continuation import Continuation, StopStrings
from support.spaced import spaced_tokenizer


def pushed(text: bytes, stop: list[str], size: int) -> tuple[list[str], bool]:
    stream = StopStrings(stop)
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
    pieces, stopped = pushed(text.encode(), stop, size)
    assert "".join(pieces) == expected
    assert stopped == any(string in text for string in stop)


def test_a_character_waits_for_all_its_bytes():
    pieces, _ = pushed("é🙂".encode(), [], 1)
    assert pieces == ["", "é", "", "", "", "🙂", ""]


def test_half_a_character_at_the_end_is_dropped_and_a_broken_one_within_is_replaced():
    assert "".join(pushed("a🙂".encode()[:-1], [], 1)[0]) == "a"
    assert "".join(pushed(b"a\xffb", [], 1)[0]) == "a\N{REPLACEMENT CHARACTER}b"


def test_only_what_could_become_a_stop_string_is_held_back():
    stream = StopStrings(["###"])
    assert [stream.push(b"a#"), stream.push(b"#b"), stream.push(b"##")] == ["a", "##b", ""]
    assert stream.finish() == "##"


def test_an_empty_stop_string_is_refused():
    with pytest.raises(ValueError, match="empty string"):
        StopStrings(["end", ""])


def read(tokens, after):
    return bytes(tokens)


def continuation(prompt, **changes) -> Continuation:
    settings = {"context": 8, "max_tokens": 5, "stop": [], "stop_tokens": [0], "decode_bytes": read}
    return Continuation(prompt, **(settings | changes))


def test_a_continuation_reports_why_it_ended():
    ends = {}
    for name, row in {
        "stop_token": continuation([1], stop=["cx"]),
        "stop_string": continuation([1], stop=["bc"]),
        "length": continuation([1], max_tokens=2, stop=["bx"], stop_tokens=[]),
    }.items():
        for token in (*b"abc", 0):
            if not row.reason:
                row.append(token)
        ends[name] = (row.reason, "".join(row.pieces), row.tokens)
    assert ends == {
        "stop_token": ("stop_token", "abc", [*b"abc", 0]),
        "stop_string": ("stop_string", "a", [*b"abc"]),
        "length": ("length", "ab", [*b"ab"]),
    }


@pytest.mark.parametrize(("prompt", "text"), [("role", "ab b"), ("word", " ab b")])
def test_a_continuation_begins_without_the_space_that_the_tokenizer_adds(prompt, text):
    tokenizer = spaced_tokenizer()
    before = tokenizer.role_tokens["assistant"] if prompt == "role" else tokenizer.encode("a")[0]
    row = continuation([before], max_tokens=9, decode_bytes=tokenizer.decode_bytes, stop_tokens=[tokenizer.end_of_turn])
    for token in (*tokenizer.encode("ab b"), tokenizer.end_of_turn):
        row.append(token)
    assert "".join(row.pieces) == text


def test_a_window_slides_only_when_it_outgrows_the_context():
    row = continuation(list(range(1, 9)), max_tokens=9)
    row.slide_window()
    assert row.window == [1, 2, 3, 4, 5, 6, 7, 8]
    row.append(9)
    row.slide_window()
    assert row.window == [6, 7, 8, 9]
