"""`lm generate` prints prompts with their continuations."""

import re
from functools import partial

import pytest
import torch

from lm.generation import Generator, Sampling
from lm.jobs.generate import generate
from lm.model import Attention, SwiGLU, Transformer, initialize

END = 256


class ByteTokenizer:
    """One token per byte, and one that ends a document."""

    vocab_size = 257
    end_of_document = beginning = END
    opening, ends = (END,), (END,)

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def decode_bytes(self, ids, after=None) -> bytes:
        return bytes(token for token in ids if token < 256)


def build(vocab_size: int) -> Transformer:
    torch.manual_seed(0)
    return Transformer(
        vocab_size=vocab_size,
        context=32,
        dim=16,
        layers=1,
        attention=partial(Attention, heads=2),
        feedforward=SwiGLU,
        initialize=partial(initialize, residual_scale=1.0),
    )


def printed(capsys, prompt, **changes) -> str:
    settings = {"sampling": Sampling(temperature=0.7, top_k=26), "max_tokens": 8, "seed": 1}
    generate(build, ByteTokenizer(), prompt, **(settings | changes))
    return capsys.readouterr().out


def test_one_prompt_is_continued(capsys):
    text = printed(capsys, "def f():")
    assert text.startswith("def f():")
    assert len(text) > len("def f():\n")
    assert text == printed(capsys, ["def f():"])
    assert text != printed(capsys, "def f():", seed=2)


def test_a_prompt_is_the_beginning_of_a_document(capsys):
    generator = Generator(build(257), ByteTokenizer())
    pieces = generator.stream([END, *b"def"], sampling=Sampling(temperature=0), max_tokens=8)
    assert printed(capsys, "def", sampling=Sampling(temperature=0)) == f"def{''.join(pieces)}\n"


def test_every_sample_of_every_prompt_is_printed(capsys):
    text = printed(capsys, ["one", "two"], samples=2)
    heads = re.findall(r"^── (.*) \(\d tokens, ended by (?:length|stop_token)\) ──$", text, re.MULTILINE)
    assert heads == [f"prompt {prompt} of 2, sample {sample} of 2" for prompt in (1, 2) for sample in (1, 2)]
    assert text.count("one") == text.count("two") == 2
    assert "── sample 2 of 2 (" in printed(capsys, "one", samples=2)
    assert "── prompt 2 of 2 (" in printed(capsys, ["one", "two"])


@pytest.mark.filterwarnings("error")
def test_of_a_prompt_longer_than_the_context_a_line_tells_what_is_not_read(capsys):
    settings = {"sampling": Sampling(temperature=0), "max_tokens": 4, "seed": 1}
    said = "has 41 tokens, more than the model's context of 32: the first 9 are not read\n"
    generate(build, ByteTokenizer(), "x" * 40, **settings)
    assert capsys.readouterr().err == f"note: the prompt {said}"
    generate(build, ByteTokenizer(), ["a", "x" * 40], samples=2, **settings)
    assert capsys.readouterr().err == f"note: prompt 2 of 2 {said}"
    generate(build, ByteTokenizer(), "x" * 31, **settings)
    assert capsys.readouterr().err == ""


def test_without_a_prompt_the_openings_are_continued_or_else_a_document_begins(capsys):
    both = ["Once upon", "In a hole"]
    assert printed(capsys, None, openings=lambda: both) == printed(capsys, both)
    assert printed(capsys, "x", openings=lambda: both) == printed(capsys, "x")
    assert printed(capsys, None) == printed(capsys, "")


def test_the_first_of_several_samples_equals_a_single_one(capsys):
    alone = printed(capsys, "one")
    assert alone in printed(capsys, "one", samples=3)


def test_an_empty_prompt_begins_a_document(capsys):
    assert len(printed(capsys, "")) > 1


def test_a_stop_string_is_not_printed(capsys):
    text = printed(capsys, "x", max_tokens=40).removesuffix("\n")
    stop = text[6:8]
    assert printed(capsys, "x", max_tokens=40, stop=[stop]) == text[: text.index(stop, 1)] + "\n"


@pytest.mark.parametrize(("changes", "message"), [({"samples": 0}, "samples 0"), ({"prompt": []}, "prompt is")])
def test_no_samples_and_no_prompts_are_refused(capsys, changes, message):
    with pytest.raises(ValueError, match=message):
        printed(capsys, **({"prompt": "x"} | changes))
