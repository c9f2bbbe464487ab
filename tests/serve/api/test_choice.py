"""What a template writes around an answer is left out, and calls of tools are held back, as an answer comes."""

import random

import pytest

from lm.serve.api.choice import Calls, Trim

CALL = '{"name": "add", "arguments": {"a": 1}}'


def pieces(text: str, seed: int) -> list[str]:
    """A text in random pieces, some of them empty."""
    draw = random.Random(seed)
    cuts = sorted(draw.choices(range(len(text) + 1), k=draw.randrange(6)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@pytest.mark.parametrize("text", ["", "\n", "\nyes", "yes\n", "\n\nyes\n\n", "ye", "\nyes</s", "yes</s>\n", "</s>\n"])
@pytest.mark.parametrize(("before", "after"), [("", ""), ("\n", "</s>\n"), ("\n\n", "\n"), ("", "\n")])
def test_what_a_template_writes_is_left_out_however_the_text_is_cut(text: str, before: str, after: str):
    for seed in range(20):
        trim, parts = Trim(before, after), pieces(text, seed)
        shown = [trim.push(part, last=number == len(parts)) for number, part in enumerate(parts, 1)]
        assert "".join(shown) == text.removeprefix(before).removesuffix(after)


@pytest.mark.parametrize(
    ("text", "words", "names"),
    [
        ("plain words", "plain words", []),
        ("a {set} of\nwords", "a {set} of\nwords", []),
        ('{"a": 1}\nis JSON', '{"a": 1}\nis JSON', []),
        (CALL, "", ["add"]),
        (f"I add.\n{CALL}", "I add.", ["add"]),
        (f"I add.\n\n{CALL}\n{CALL}", "I add.", ["add", "add"]),
        (f"So <tool_call>{CALL}</tool_call>", "So", ["add"]),
        (f"So [TOOL_CALLS] [{CALL}]", "So", ["add"]),
        (f"<think>{CALL}</think>no", f"<think>{CALL}</think>no", []),
        (f"<think>hm</think>\n{CALL}", "<think>hm</think>", ["add"]),
        ('{"name": "other", "arguments": {}}', '{"name": "other", "arguments": {}}', []),
        ('{"name": "add", "arguments":', '{"name": "add", "arguments":', []),
        ("x <tool", "x <tool", []),
        ("words \n", "words \n", []),
    ],
)
def test_calls_end_an_answer_and_the_rest_is_shown_however_it_is_cut(text: str, words: str, names: list[str]):
    for seed in range(20):
        calls, parts, shown = Calls("add".__eq__), pieces(text, seed), ""
        for number, part in enumerate(parts, 1):
            more, found = calls.push(part, last=number == len(parts))
            shown += more
        assert (shown, [call.name for call in found]) == (words, names)


def test_words_before_a_call_are_shown_at_once():
    calls = Calls("add".__eq__)
    assert calls.push("I add", last=False) == ("I add", ())
    assert calls.push(" them.\n{", last=False) == (" them.", ())
    assert calls.push('"x": 1} and more', last=False) == ("", ())
    assert calls.push("", last=True) == ('\n{"x": 1} and more', ())
