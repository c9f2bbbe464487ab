"""Bits per byte are exact: windows and batches give the sum over each document scored alone."""

import shutil
import subprocess
from functools import partial
from itertools import pairwise
from math import log

import pytest
import torch

from lm.corpus import Shards
from lm.evaluation import BitsPerByte
from lm.evaluation.bits import gzip_bits_per_byte, xz_bits_per_byte
from lm.model import Attention, SwiGLU, Transformer
from lm.tokenizer import load_tokenizer
from support.training_runs import make_corpus

CONTEXT = 16


@pytest.fixture(autouse=True)
def one_thread():
    """With several threads, forward passes this small only wait."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"), count=50, share=0.3)


@pytest.fixture(scope="module")
def tokenizer(corpus):
    return load_tokenizer(str(corpus))


@pytest.fixture(scope="module")
def model(tokenizer):
    torch.manual_seed(0)
    model = Transformer(
        vocab_size=tokenizer.vocab_size,
        context=CONTEXT,
        dim=16,
        layers=2,
        attention=partial(Attention, heads=2),
        feedforward=SwiGLU,
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.double().eval()


def streams(corpus, tokenizer):
    return Shards(corpus, "validation", tokenizer=tokenizer).streams


@torch.no_grad()
def naive(model, document: list[int], step: int) -> list[float]:
    """Nats of each token of a document and of its end, one at a time, from the most context its window has."""
    nats = []
    for place in range(1, len(document)):
        # the window that predicts this target ends with it, or up to `step` targets later
        beyond = max(0, place - CONTEXT)
        end = CONTEXT + -(-beyond // step) * step if beyond else CONTEXT
        start = max(0, min(end, len(document) - 1) - CONTEXT)
        logits = model(torch.tensor([document[start:place]]))[0, -1]
        nats.append(-float(torch.log_softmax(logits, -1)[document[place]]))
    return nats


@pytest.mark.parametrize("stride", [0.25, 0.5, 1.0])
def test_bits_equal_those_of_every_document_scored_alone_token_by_token(stride, corpus, tokenizer, model):
    results = BitsPerByte(str(corpus), stride=stride)(model, tokenizer)
    assert list(results) == ["code", "prose"]
    for kind, stream in streams(corpus, tokenizer).items():
        end = tokenizer.end_of_document
        texts = [[end, *stream.document(i).tolist(), end] for i in range(stream.documents)]
        assert max(map(len, texts)) > 3 * CONTEXT
        nats = sum(sum(naive(model, text, round(CONTEXT * stride))) for text in texts)
        size = sum(len(tokenizer.decode(text[1:-1]).encode()) for text in texts)
        assert results[kind]["bytes"] == size == stream.bytes.sum()
        assert results[kind]["model"] == pytest.approx(nats / size / log(2), rel=1e-12)


@pytest.mark.parametrize("stride", [0.01, 0.3, 0.5, 1.0])
def test_every_target_counts_once_with_the_promised_context(stride, corpus, tokenizer):
    for stream in streams(corpus, tokenizer).values():
        windows = list(BitsPerByte(str(corpus), stride=stride)._windows(stream, CONTEXT))
        targets = [target for _, first, end in windows for target in range(first, end)]
        assert targets == list(range(stream.tokens))
        begins = {target: begin for begin, end in pairwise(stream.bounds.tolist()) for target in range(begin, end)}
        for start, first, end in windows:
            assert end - start <= CONTEXT
            assert begins[start] == begins[end - 1], "a window holds one document only"
            assert first - start >= min(first - begins[first], CONTEXT - max(1, round(CONTEXT * stride)))


@pytest.mark.parametrize("rows", [1, 3, 1000])
def test_the_batch_size_changes_nothing(rows, corpus, tokenizer, model):
    alone, together = (BitsPerByte(str(corpus), rows=n)(model, tokenizer) for n in (16, rows))
    for kind, found in alone.items():
        assert together[kind] == pytest.approx(found, rel=1e-12)


@pytest.mark.parametrize("stride", [0.0, -0.5, 1.5])
def test_a_stride_outside_0_to_1_is_refused(stride):
    with pytest.raises(ValueError, match=rf"evaluations\.bits\.stride={stride}: .* above 0 and at most 1"):
        BitsPerByte("anywhere", stride=stride)


def test_a_corpus_of_another_tokenizer_is_refused(corpus, model, tmp_path):
    other = load_tokenizer(str(make_corpus(tmp_path / "other", count=40)))
    with pytest.raises(ValueError, match="was made with another tokenizer"):
        BitsPerByte(str(corpus))(model, other)


def test_the_table_has_one_line_per_kind(corpus, tokenizer, model):
    bits = BitsPerByte(str(corpus))
    head, *lines = bits.table(bits(model, tokenizer)).splitlines()
    assert head.split()[:6] == ["bits", "per", "byte", "model", "xz", "-9"]
    assert [line.split()[0] for line in lines] == ["code", "prose"]


@pytest.mark.parametrize(
    ("command", "measure", "tolerance"),
    # gzip has a deflate of its own, of which Python's zlib makes some bytes more or less
    [("gzip", gzip_bits_per_byte, 0.01), ("xz", xz_bits_per_byte, 0.001)],
)
def test_compressors_agree_with_their_commands(command, measure, tolerance):
    if not shutil.which(command):
        pytest.skip(f"there is no {command} here")
    text = b"".join(b"line %d of %d, %x\n" % (i, i * i, i**5) for i in range(5000))
    packed = subprocess.run([command, "-9", "-c"], input=text, capture_output=True, check=True).stdout
    assert measure(text) == pytest.approx(8 * len(packed) / len(text), rel=tolerance)
