"""A generator writes the same text streamed, alone or in a batch."""

import codecs
from functools import partial
from types import SimpleNamespace

import pytest
import torch

from lm.generation import Generator, Sampling, chosen_log_probabilities, random_generator
from lm.generation.continuation import seen_tokens
from lm.model import Attention, LongRoPEScaling, Rotary, SwiGLU, Transformer

CONTEXT, END = 24, 256
GREEDY = Sampling(temperature=0)
LIVELY = Sampling(temperature=1.5, top_p=0.98, repetition_penalty=1.1)
PROMPTS = [list(b"hello"), list(b"a"), list(b"the quick brown fox"), [], list(b"0123456789" * 3)]


class ByteTokenizer:
    """One token per byte, and one that ends a document."""

    vocab_size = 257
    end_of_document = beginning = END
    ends = (END,)

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def decode_bytes(self, ids, after=None) -> bytes:
        return bytes(token for token in ids if token < 256)


class Babbler:
    """A tokenizer of a few fixed strings, so that text can be cut anywhere."""

    vocab_size = 4
    end_of_document = beginning = 0
    ends = (0,)
    pieces = (b"", b"ab", b"ca", b"\xc3")

    def decode_bytes(self, ids, after=None) -> bytes:
        return b"".join(self.pieces[token] for token in ids)


def build(vocab_size: int = 257, dropout: float = 0.0, **parts) -> Transformer:
    torch.manual_seed(0)
    model = Transformer(
        vocab_size=vocab_size,
        context=CONTEXT,
        dim=32,
        layers=2,
        dropout=dropout,
        feedforward=SwiGLU,
        **({"attention": partial(Attention, heads=4, key_value_heads=2)} | parts),
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


@pytest.fixture(scope="module")
def generator() -> Generator:
    return Generator(build(), ByteTokenizer())


def naive_greedy(model: Transformer, prompt: list[int], count: int) -> list[int]:
    """No cache, no batch: the last `context` tokens read again for each token, halved when they exceed it."""
    window, generated = (prompt or [END])[-CONTEXT:], []
    for _ in range(count):
        if len(window) > CONTEXT:
            window = window[-(CONTEXT // 2) :]
        with torch.no_grad():
            token = int(model(torch.tensor([window]))[0, -1].argmax())
        window, generated = [*window, token], [*generated, token]
    return generated


@pytest.mark.filterwarnings("ignore:prompt .* was dropped")
def test_greedy_in_a_batch_equals_greedy_alone_equals_no_cache(generator):
    """Prompts of every length, one beyond the context, written far past it."""
    options = {"sampling": GREEDY, "max_tokens": 70, "stop_tokens": []}
    together = generator.generate(PROMPTS, **options)
    for prompt, completion in zip(PROMPTS, together, strict=True):
        assert generator.generate([prompt], **options) == [completion]
        assert completion.tokens == naive_greedy(generator.model, prompt, 70)
        assert completion.reason == "length"


@pytest.mark.filterwarnings("ignore:prompt .* was dropped")
@pytest.mark.parametrize("kind", ["longrope", "window and caps"])
def test_texts_that_outgrow_the_short_factors_or_a_window_are_those_without_a_cache(kind):
    scaling = partial(LongRoPEScaling, short=[1, 2, 1, 2], long=[2, 9, 9, 9], original_context=12, factor=4)
    attention = partial(Attention, heads=4, key_value_heads=2)
    model = build(
        attention=[partial(attention, window=5, cap=2.0), attention] if kind == "window and caps" else attention,
        position=Rotary if kind == "window and caps" else partial(Rotary, scaling=scaling),
        logit_cap=3.0 if kind == "window and caps" else None,
    )
    together = Generator(model, ByteTokenizer()).generate(PROMPTS, sampling=GREEDY, max_tokens=30, stop_tokens=[])
    for prompt, completion in zip(PROMPTS, together, strict=True):
        assert completion.tokens == naive_greedy(model, prompt, 30)


@pytest.mark.filterwarnings("ignore:prompt .* was dropped")
@pytest.mark.parametrize("sampling", [GREEDY, LIVELY])
def test_a_row_does_not_depend_on_its_neighbours(generator, sampling):
    options = {"sampling": sampling, "max_tokens": 40, "seed": 7, "stop_tokens": [END, *range(0, 256, 9)]}
    together = generator.generate(PROMPTS, **options)
    others = [PROMPTS[0], PROMPTS[2], PROMPTS[1], PROMPTS[3][:5], PROMPTS[4]]
    apart = generator.generate(others, **options)
    assert (apart[0], apart[3], apart[4]) == (together[0], together[3], together[4])
    assert generator.generate(PROMPTS[:1], **options) == together[:1]
    assert len({len(completion.tokens) for completion in together}) > 1  # some rows left early


def test_the_same_seed_gives_the_same_text_and_another_seed_another(generator):
    def write(seed: int) -> list[str]:
        rows = generator.generate([PROMPTS[0]] * 3, sampling=LIVELY, max_tokens=20, seed=seed)
        return [row.text for row in rows]

    assert write(1) == write(1)
    texts = write(1) + write(2) + write(1 + 2**32)
    assert len(set(texts)) == 9  # rows of one batch differ as well


def test_seeds_do_not_touch_the_global_generator(generator):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    generator.generate([PROMPTS[0]], sampling=LIVELY, max_tokens=5)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.filterwarnings("ignore:prompt .* was dropped")
@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("sampling", [GREEDY, LIVELY])
def test_streamed_pieces_join_to_the_generated_text(generator, prompt, sampling):
    options = {"sampling": sampling, "max_tokens": 60, "seed": 3}
    pieces = list(generator.stream(prompt, **options))
    assert "".join(pieces) == generator.generate([prompt], **options)[0].text
    assert all(pieces)


def test_stop_strings_end_the_text_even_across_tokens():
    """Tokens "ab" and "ca" alternate, so "bc" always lies across two of them."""
    model = build(vocab_size=4)
    generator = Generator(model, Babbler())
    model.hidden = lambda tokens, documents, cache: _advance(cache, tokens)
    options = {"sampling": GREEDY, "max_tokens": 9, "stop_tokens": []}
    (free,) = generator.generate([[2]], **options)
    assert free.text == "abca" * 4 + "ab"
    (stopped,) = generator.generate([[2]], **options, stop=["bcaa", "zz"])
    assert (stopped.text, stopped.reason, stopped.tokens) == ("a", "stop_string", [1, 2, 1])
    assert list(generator.stream([2], **options, stop=["bcaa", "zz"])) == ["a"]


def _advance(cache, tokens):
    """Features that make "ab" (1) follow "ca" (2) and the other way round."""
    cache.advance(tokens.shape[1])
    following = torch.where(tokens == 2, 1, 2)
    return 100 * torch.nn.functional.one_hot(following, 4).float() @ torch.linalg.pinv(_weight().T)


def _weight() -> torch.Tensor:
    return build(vocab_size=4).output_weight.detach()


def test_a_stop_token_ends_the_text_and_is_not_in_it(generator):
    (free,) = generator.generate([PROMPTS[0]], sampling=GREEDY, max_tokens=12, stop_tokens=[])
    last = free.tokens[5]
    (stopped,) = generator.generate([PROMPTS[0]], sampling=GREEDY, max_tokens=12, stop_tokens=[last])
    assert stopped.reason == "stop_token"
    assert stopped.tokens == free.tokens[: free.tokens.index(last) + 1]
    decoder = codecs.getincrementaldecoder("utf-8")("replace")  # half a character at the end is dropped
    assert stopped.text == decoder.decode(bytes(stopped.tokens[:-1]))


def test_a_repetition_penalty_makes_tokens_rarer(generator):
    def distinct(penalty: float) -> int:
        sampling = Sampling(temperature=0, repetition_penalty=penalty)
        (row,) = generator.generate([PROMPTS[0]], sampling=sampling, max_tokens=60, stop_tokens=[])
        return len(set(row.tokens))

    assert distinct(1e4) == 60  # seen tokens never repeat, those before the window slid included
    assert distinct(1.0) < 60


def test_a_repetition_penalty_exempts_stop_tokens():
    """A conversation contains the end of turn; made less likely, the model would never stop."""
    seen = seen_tokens([SimpleNamespace(seen={1, 5, 7}, stop_tokens=frozenset({7}))], torch.zeros(1, 256))
    assert seen.nonzero()[:, 1].tolist() == [1, 5]


def test_no_dropout_no_gradient_and_the_mode_is_restored():
    model = build(dropout=0.5).train()
    generator = Generator(model, ByteTokenizer())
    first = generator.generate([PROMPTS[0]], sampling=GREEDY, max_tokens=10)
    assert model.training
    assert first == generator.generate([PROMPTS[0]], sampling=GREEDY, max_tokens=10)
    pieces = generator.stream(PROMPTS[0], sampling=GREEDY, max_tokens=10)
    next(pieces)
    assert model.training  # a stream that is waiting holds nothing
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
    model.eval()
    list(pieces)
    assert not model.training


def test_no_prompts_and_no_tokens_give_no_text(generator):
    assert generator.generate([], sampling=GREEDY, max_tokens=5) == []
    assert list(generator.stream([1], sampling=GREEDY, max_tokens=0)) == []
    (row,) = generator.generate([[1]], sampling=GREEDY, max_tokens=0)
    assert (row.text, row.tokens, row.reason) == ("", [], "length")


@pytest.mark.filterwarnings("error")
def test_of_an_overlong_prompt_the_end_is_read(generator):
    (cut,) = generator.generate([PROMPTS[4]], sampling=GREEDY, max_tokens=9)
    assert [cut] == generator.generate([PROMPTS[4][-CONTEXT:]], sampling=GREEDY, max_tokens=9)


def test_a_foreign_token_is_refused(generator):
    with pytest.raises(ValueError, match=r"prompt 1 contains token 999.*vocabulary has 257"):
        generator.generate([[1], [999]], sampling=GREEDY, max_tokens=5)


def test_each_row_may_have_its_own_limit_and_keeps_its_text():
    generator = Generator(build(), ByteTokenizer())
    options = {"sampling": LIVELY, "seed": 3, "stop_tokens": []}
    free = generator.generate([PROMPTS[0]] * 3, max_tokens=20, **options)
    limited = generator.generate([PROMPTS[0]] * 3, max_tokens=[5, 0, 20], **options)
    assert [each.tokens for each in limited] == [free[0].tokens[:5], [], free[2].tokens]
    with pytest.raises(ValueError, match="max_tokens -1 is below 0"):
        generator.generate([PROMPTS[0]] * 2, max_tokens=[3, -1], **options)


def rescored(
    model: Transformer, prompt: list[int], tokens: list[int], sampling: Sampling, left: int = 0
) -> list[float]:
    """Log-probabilities of a completion in one pass over the row, with padding on the left."""
    row = torch.tensor([[0] * left + prompt + tokens[:-1]])
    documents = torch.tensor([[-1] * left + [0] * (row.shape[1] - left)])
    with torch.no_grad():
        logits = model(row, documents)[0, -len(tokens) :]
    return chosen_log_probabilities(logits, torch.tensor(tokens), sampling=sampling).tolist()


@pytest.mark.parametrize(
    "sampling",
    [Sampling(), Sampling(temperature=0.7), Sampling(temperature=1.3, top_k=20), Sampling(top_p=0.9), GREEDY],
    ids=["plain", "cold", "top k", "top p", "greedy"],
)
def test_log_probabilities_of_generation_are_those_of_scoring_again(generator, sampling):
    prompts = [list(b"hello"), list(b"a"), list(b"the quick")]
    options = {"sampling": sampling, "max_tokens": [6, 9, 3], "log_probabilities": True, "stop_tokens": [7]}
    batch = generator.generate(prompts, **options)
    for prompt, limit, completion in zip(prompts, options["max_tokens"], batch, strict=True):
        assert len(completion.log_probabilities) == len(completion.tokens) <= limit
        for left in (0, 3):
            found = rescored(generator.model, prompt, completion.tokens, sampling, left)
            assert found == pytest.approx(completion.log_probabilities, abs=1e-4)


def test_rows_with_generators_of_their_own_depend_on_neither_place_nor_neighbours(generator):
    prompts = [list(b"hello"), list(b"a"), list(b"the quick")]

    def texts(rows: list[int]) -> dict[int, list[int]]:
        made = generator.generate(
            [prompts[row] for row in rows],
            sampling=LIVELY,
            max_tokens=12,
            generators=[random_generator(5, row) for row in rows],
        )
        return {row: each.tokens for row, each in zip(rows, made, strict=True)}

    whole = texts([0, 1, 2])
    assert texts([2, 0]) | texts([1]) == whole
    assert whole[0] != generator.generate([prompts[0]], sampling=LIVELY, max_tokens=12, seed=6)[0].tokens


def test_samples_of_one_prompt_read_it_once_and_are_those_of_rows_apart(generator, monkeypatch):
    prompts = [PROMPTS[0], PROMPTS[2], PROMPTS[0], PROMPTS[2], PROMPTS[0]]
    read, hidden = [], generator.model.hidden

    def counted(tokens, *given):
        read.append([*tokens.shape])
        return hidden(tokens, *given)

    monkeypatch.setattr(generator.model, "hidden", counted)
    options = {"sampling": LIVELY, "max_tokens": 12, "stop_tokens": [*range(0, 256, 9)]}
    together = generator.generate(prompts, **options, generators=[random_generator(5, row) for row in range(5)])
    assert read[0] == [2, max(len(PROMPTS[0]), len(PROMPTS[2]))]
    assert read[1][0] > 2
    for row, prompt in enumerate(prompts):
        alone = generator.generate([prompt], **options, generators=[random_generator(5, row)])
        assert alone == [together[row]]


def test_a_token_that_the_filter_drops_since_counts_as_kept():
    logits = torch.tensor([[3.0, 2.0, 1.0, 0.0]], requires_grad=True)
    found = chosen_log_probabilities(logits, torch.tensor([3]), sampling=Sampling(top_k=1, temperature=0.5))
    assert found.item() == pytest.approx(-6 - torch.tensor(-6.0).exp().log1p().item(), abs=1e-5)
    found.backward()
    assert logits.grad[0, 1:3].tolist() == [0, 0]
    assert logits.grad[0, 3] > 0 > logits.grad[0, 0]
