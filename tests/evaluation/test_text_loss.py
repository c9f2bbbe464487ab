"""Every byte of a text counts once, against one forward pass a token, on fuzzed texts."""

import random
from math import exp, log

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lm.corpus import Document
from lm.evaluation import Likelihood, Scorer, TextLoss
from lm.evaluation.text_loss import by_position, calibration, windows_of
from lm.sources import TextSource
from support.asked import network, tokenizer
from support.training_runs import Texts

CONTEXT = 16
PIECES = ["the cat", " ", "\n", "é", "日本", "🙂", "\t", "\r\n", "e\u0301", "<|user|>", "0", "\x00", "x" * 9]


def fuzzed(count: int = 12, seed: int = 0) -> list[Document]:
    draw = random.Random(seed)
    return [
        Document(
            "".join(draw.choices(PIECES, k=draw.choice([1, 3, 12]))),
            f"{n}",
            kind=draw.choice(["code", "prose"]),
            source=draw.choice(["a.txt", "b.txt"]),
            language=draw.choice(["en", "ja", ""]),
        )
        for n in range(count)
    ]


@torch.no_grad()
def slow(text: str, step: int) -> list[float]:
    """Nats of each token, one forward pass a token, in windows of `step` new tokens."""
    ids = [tokenizer().end_of_document, *tokenizer().encode(text)]
    found = []
    for at in range(1, len(ids)):
        window = (at - 1) // step  # which began at token 1 + window × step and ends before the next
        end = min(len(ids), 1 + (window + 1) * step)
        seen = ids[max(0, end - 1 - CONTEXT) : at]
        found.append(float(F.cross_entropy(network(CONTEXT)(torch.tensor([seen]))[0, -1], torch.tensor(ids[at]))))
    return found


def measured(documents, **options) -> dict:
    return TextLoss(Texts(documents), **options)(network(CONTEXT), tokenizer())


@pytest.mark.parametrize("step", [None, 1, 5])
def test_bits_and_perplexities_are_exact_to_the_byte_in_every_group(step):
    documents = fuzzed()
    found = measured(documents, step=step)
    nats = [sum(slow(each.text, step or CONTEXT)) for each in documents]

    def check(scores: dict, chosen: list[int]) -> None:
        total, size = sum(nats[n] for n in chosen), sum(len(documents[n].text.encode()) for n in chosen)
        tokens = sum(len(tokenizer().encode(documents[n].text)) for n in chosen)
        assert (scores["documents"], scores["bytes"], scores["tokens"]) == (len(chosen), size, tokens)
        assert scores["nats"] == pytest.approx(total, abs=1e-9)
        assert scores["bits_per_byte"] == pytest.approx(total / size / log(2), abs=1e-12)
        assert scores["perplexity"] == pytest.approx(exp(total / tokens))
        assert scores["byte_perplexity"] == pytest.approx(exp(total / size))

    check(found["all"], [*range(len(documents))])
    for way in ("kind", "source", "language"):
        names = {getattr(each, way) for each in documents}
        assert found[way].keys() == names
        for name in names:
            check(found[way][name], [n for n, each in enumerate(documents) if getattr(each, way) == name])
    assert found["lost_bytes"] == 0


def test_windows_of_one_token_see_the_whole_context_and_disjoint_ones_are_the_harness_s():
    ids = [*range(40)]
    sliding = windows_of(ids, 1, CONTEXT, tokenizer())
    assert [len(each.context) for each in sliding] == [min(n, CONTEXT) for n in range(1, 41)]
    disjoint = windows_of(ids, CONTEXT, CONTEXT, tokenizer())
    assert [len(each.continuation) for each in disjoint] == [16, 16, 8]
    assert [each.continuation[0] for each in disjoint] == [0, 16, 32]
    assert disjoint[0].context == (tokenizer().end_of_document,)
    assert [token for each in disjoint for token in each.continuation] == ids


def test_batches_change_nothing_and_documents_are_bounded():
    documents = fuzzed()
    one, two = measured(documents), measured(documents, batch_tokens=16)
    assert two["all"]["nats"] == pytest.approx(one["all"]["nats"], abs=1e-10)
    assert measured(documents, max_documents=3)["all"] == measured(documents[:3])["all"]


def likelihood(nats, first=(), best=()) -> Likelihood:
    return Likelihood(tuple(nats), tuple(first), tuple(best))


def test_a_calibrated_model_has_no_error_and_a_sure_one_that_errs_has():
    draw = np.random.default_rng(0)
    confidence = draw.uniform(0.05, 0.95, 20_000)
    right = draw.random(20_000) < confidence
    honest = calibration([likelihood([], right.tolist(), (-np.log(confidence)).tolist())])
    assert honest["error"] < 0.02
    assert honest["accuracy"] == pytest.approx(honest["confidence"], abs=0.01)
    assert [row["tokens"] for row in honest["bins"]] == [2000] * 10
    sure = calibration([likelihood([], [True, False] * 50, [-log(0.9)] * 100)])
    assert sure["error"] == pytest.approx(0.4)


def test_the_confidence_is_the_probability_of_the_likeliest_token():
    documents = fuzzed()
    windows = [each for one in documents for each in windows_of(tokenizer().encode(one.text), 16, 16, tokenizer())]
    for window, found in zip(windows, Scorer(network(CONTEXT))(windows), strict=True):
        text = [*window.context, *window.continuation][-(CONTEXT + 1) :]
        with torch.no_grad():
            logits = network(CONTEXT)(torch.tensor([text[:-1]]))[0, -len(window.continuation) :]
        assert found.best_nats == pytest.approx((-logits.log_softmax(-1).amax(-1)).tolist(), abs=1e-9)


def test_loss_by_position_has_the_same_texts_behind_every_position():
    short, long = likelihood([9.0] * 10), [likelihood([float(n)] * 1 + [1.0] * 15 + [7.0] * 9) for n in (2, 4)]
    rows = by_position([short, *long], CONTEXT)
    assert [(row["from"], row["to"]) for row in rows] == [(1, 1), (2, 3), (4, 7), (8, 16)]
    assert [row["nats"] for row in rows] == [3.0, 1.0, 1.0, 1.0]
    assert {row["documents"] for row in rows} == {2}
    assert by_position([short], CONTEXT) == []


def test_the_table_and_an_empty_text(tmp_path):
    documents = fuzzed()
    text = TextLoss(Texts(documents))
    table = text.table(text(network(CONTEXT), tokenizer()))
    for word in ("bits/byte", "all", "  code", "  a.txt", "  ja", "  unknown", "calibration error"):
        assert word in table
    (tmp_path / "a.txt").write_text(" ")
    with pytest.raises(ValueError, match=r"evaluation\.documents has no text to measure"):
        TextLoss(TextSource(str(tmp_path / "a.txt"))).check()
