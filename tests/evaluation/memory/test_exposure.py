"""What a model remembers of canaries shows in their rank, beside canaries and models that never met."""

import json
from math import log2

import pytest
import torch

from lm.corpus import Canaries, Document, Split, write_shards
from lm.evaluation import CanaryExposure, TrainingCorpora
from lm.model import Projection
from lm.sources import WithCanaries
from support.asked import network, tokenizer
from support.training_runs import Texts

OPTIONS = {"format": "code of {name}: ###", "copies": [0, 1, 4], "each": 2, "alphabet": "0123"}
CANARIES = Canaries(**OPTIONS)


class Rememberer:
    """Expects the next token of texts that it knows, else anything."""

    context, training, head = 64, False, None
    projection = Projection(torch.eye(tokenizer().vocab_size, dtype=torch.float64))

    def __init__(self, known: list[str]):
        self.known = [(tokenizer().end_of_document, *tokenizer().encode(text)) for text in known]

    def hidden(self, tokens):
        logits = torch.zeros(*tokens.shape, tokenizer().vocab_size, dtype=torch.float64)
        for row, ids in enumerate(tokens.tolist()):
            for place in range(len(ids)):
                for text in self.known:
                    if tuple(ids[: place + 1]) == text[: place + 1] and place + 1 < len(text):
                        logits[row, place, text[place + 1]] = 9.0
        return logits

    def eval(self):
        return self

    def train(self, mode):
        return self


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    source = WithCanaries(Texts([Document(f"the cat {n}", f"{n}") for n in range(4)]), canaries=CANARIES)
    write_shards(source, folder, tokenizer=tokenizer(), split=Split(0.5), shard_tokens=1000)
    tokenizer().save(folder / "tokenizer.json")
    node = {"corpus": {"documents": {}, "canaries": {"_target_": "lm.corpus.Canaries", **OPTIONS}}}
    (folder / "manifest.json").write_text(json.dumps({"state": "complete", "config": node}))
    return folder


def exposure(corpus, **options) -> CanaryExposure:
    return CanaryExposure(TrainingCorpora(paths=str(corpus)), **options)


def test_what_is_remembered_has_all_bits_and_what_is_not_has_those_of_chance(corpus):
    known = [each.text for each in CANARIES.all() if each.copies == 4]
    measure = exposure(corpus)
    results = measure(Rememberer(known), tokenizer())
    assert [*results["copies"]] == ["0", "1", "4"]
    assert results["copies"]["4"]["model"]["exposure"]["value"] == pytest.approx(log2(64))
    assert results["copies"]["4"]["model"]["first"]["value"] == 1.0
    assert results["copies"]["1"]["model"]["exposure"]["value"] < 3
    assert results["methods"] == ["exact"]
    assert results["otherwise_copied"] == 0
    assert [each["copies"] for each in results["items"]] == [0, 0, 1, 1, 4, 4]
    assert "never inserted" in measure.table(results)
    assert "ranks among 64 secrets are exact" in measure.table(results)


def test_exact_ranks_are_those_of_scoring_every_secret(corpus):
    model = network()
    items = exposure(corpus)(model, tokenizer())["items"]
    for canary, item in zip(CANARIES.all(), items, strict=True):
        nats = {}
        for place in range(CANARIES.size):
            text = CANARIES.text(canary.name, CANARIES.secret(place))
            ids = torch.tensor([[tokenizer().end_of_document, *tokenizer().encode(text)]])
            logits = model(ids[:, :-1])[0].log_softmax(-1)
            nats[text] = -float(logits.gather(-1, ids[0, 1:, None]).detach().sum())
        rank = 1 + sum(value < nats[canary.text] for value in nats.values())
        assert item["model"]["rank"] == rank
        assert item["model"]["exposure"] == pytest.approx(6 - log2(rank))


def test_more_secrets_than_are_scored_give_an_estimate_that_says_so(corpus):
    many = Canaries(format="code of {name}: ########", copies=[0, 1], each=1)
    measure = exposure(corpus, canaries=many, max_candidates=200)
    results = measure(Rememberer([many.all()[1].text]), tokenizer())
    assert "skew-normal" in results["methods"]
    assert "skew-normal distribution" in measure.table(results)
    assert results["otherwise_copied"] == 1  # the corpus has other canaries
    assert "other than planned numbers of times" in measure.table(results)


def test_a_corpus_without_canaries_is_told_with_the_command(corpus, tmp_path):
    write_shards(Texts([Document("a", "a")]), tmp_path, tokenizer=tokenizer(), split=Split(0), shard_tokens=9)
    with pytest.raises(ValueError, match=r"has no canaries: make a corpus with them, as lm corpus corpus=canaries"):
        exposure(tmp_path).fingerprint()
    with pytest.raises(ValueError, match=r"evaluation\.max_candidates=10 is too few"):
        exposure(corpus, max_candidates=10)
