"""What a model has learned by heart is told apart from what any model would say."""

import numpy as np
import pytest
import torch

from lm.corpus import Document, Split, write_shards
from lm.evaluation import Memorisation, TrainingCorpora
from lm.generation import Sampling
from lm.model import ModelSource, Projection
from support.asked import network, tokenizer
from support.training_runs import Texts

WORDS = ["cat", "sat", "mat", "dog", "ran", "red", "house", "yes", "no", "the", "and", "on", "to"]


def text(seed: int, words: int = 60) -> str:
    return " ".join(np.random.default_rng(seed).choice(WORDS, words).tolist())


class Parrot:
    """Knows some texts by heart: predicts, with 6 of 7, what follows the last six tokens in them, else anything."""

    context, training, head = 64, False, None
    projection = Projection(torch.eye(tokenizer().vocab_size, dtype=torch.float64))

    def __init__(self, known: list[str]):
        self.follows = {}
        for ids in map(tokenizer().encode, known):
            for place in range(6, len(ids)):
                self.follows[tuple(ids[place - 6 : place])] = ids[place]

    def hidden(self, tokens):
        size = tokenizer().vocab_size
        logits = torch.zeros(*tokens.shape, size, dtype=torch.float64)
        for row, ids in enumerate(tokens.tolist()):
            for place in range(5, len(ids)):
                after = self.follows.get(tuple(ids[place - 5 : place + 1]))
                if after is not None:
                    logits[row, place, after] = float(np.log(6 * (size - 1)))
        return logits

    def eval(self):
        return self

    def train(self, mode):
        return self


class Given(ModelSource):
    def build(self, *, vocab_size):
        return network()

    outline = describe = build

    def fingerprint(self):
        return {"model": "random"}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Ten texts of one copy, six of five copies."""
    folder = tmp_path_factory.mktemp("corpus")
    texts = [text(n) for n in range(10)] + [text(100 + n) for n in range(6) for _ in range(5)]
    documents = [Document(each, f"document {number}") for number, each in enumerate(texts)]
    documents += [Document(text(200 + n), f"held {n}", group=_held(n)) for n in range(4)]
    write_shards(Texts(documents), folder, tokenizer=tokenizer(), split=Held(), shard_tokens=1000)
    tokenizer().save(folder / "tokenizer.json")
    return folder


def _held(number: int) -> str:
    return f"held {number}"


class Held(Split):
    def __init__(self):
        super().__init__(share=0)

    def held_out(self, item):
        return item.key.startswith("held")


def memorisation(corpus, **options) -> Memorisation:
    given = {"sampling": Sampling(), "prefix": 8, "suffix": 5, "windows": 60, "n": [1, 2, 1000]}
    return Memorisation(TrainingCorpora(paths=str(corpus)), **{**given, **options})


def test_what_is_known_by_heart_shows_by_copies_beside_control_and_held_out_text(corpus):
    measure = memorisation(corpus, control=Given())
    results = measure(Parrot([text(100 + n) for n in range(6)]), tokenizer())
    groups = results["copies"]
    assert {*groups} >= {"0", "1", "4–7"}
    known = groups["4–7"]["model"]
    assert known["verbatim"]["value"] == 1.0
    assert known["documents"] == 6
    assert known["drawn"]["1"]["value"] == pytest.approx((6 / 7) ** 5, abs=1e-4)
    assert known["drawn"]["2"]["value"] == pytest.approx(1 - (1 - (6 / 7) ** 5) ** 2, abs=1e-4)
    assert [known["extractable"][n]["value"] for n in ("1", "2", "1000")] == [0.0, 1.0, 1.0]
    for group, who in (("4–7", "control"), ("1", "model"), ("0", "model"), ("0", "control")):
        assert groups[group][who]["verbatim"]["value"] == 0.0, (group, who)
    low, high = groups["1"]["model"]["verbatim"]["interval"]
    assert low == 0.0
    assert 0.2 < high < 0.4  # ten texts, none of them known
    assert results["held_out"] == 4
    table = measure.table(results)
    assert "4–7 copies" in table
    assert "  control" in table
    assert "not in the corpus" in table
    assert "4 windows are of held-out documents" in table


def test_intervals_take_account_of_windows_of_one_document(corpus):
    parrot = Parrot([text(0), text(1)])
    one = memorisation(corpus)(parrot, tokenizer())["copies"]["1"]["model"]["verbatim"]
    many = memorisation(corpus, per_document=5, windows=300)(parrot, tokenizer())["copies"]["1"]["model"]
    assert many["windows"] > 30
    assert many["documents"] == 10
    width = [high - low for low, high in (one["interval"], many["verbatim"]["interval"])]
    assert width[1] > 0.7 * width[0]  # five windows of a document are hardly more than one


def test_records_of_windows_say_what_came_of_each(corpus):
    items = memorisation(corpus)(Parrot([text(100)]), tokenizer())["items"]
    assert len({each["id"] for each in items}) == len(items)
    assert {each["copies"] for each in items} >= {0, 1, 5}
    assert all((each["values"]["verbatim"] is None) == (each["copies"] == 0) for each in items)
    assert all(each["log_q"] == pytest.approx(-each["nats"]) for each in items)  # plain sampling


def test_documents_that_are_given_are_counted_in_the_corpus_or_among_themselves(corpus):
    documents = Texts([Document(text(100), "a"), Document(text(999), "b"), Document(text(999), "c")])
    found = memorisation(corpus, documents=documents)(Parrot([]), tokenizer())
    assert {name: each["model"]["windows"] for name, each in found["copies"].items()} == {"0": 2, "4–7": 1}
    alone = Memorisation(TrainingCorpora(), sampling=Sampling(), documents=documents, prefix=8, suffix=40)
    results = alone(network(), tokenizer())
    assert [*results["copies"]] in (["1", "2–3"], ["1", "2–3"])
    assert "copies are counted among the documents given" in alone.table(results)


def test_windows_that_do_not_fit_are_refused_with_what_fits(corpus):
    with pytest.raises(ValueError, match=r"evaluation\.prefix=50 and evaluation\.suffix=50 do not fit .* 64 .* to 32"):
        memorisation(corpus, prefix=50, suffix=50)(network(), tokenizer())
    with pytest.raises(ValueError, match=r"no document has 1000 tokens"):
        memorisation(corpus, prefix=500, suffix=500)(network(context=2000), tokenizer())
    with pytest.raises(ValueError, match=r"evaluation\.p=0"):
        memorisation(corpus, p=0.0)


def test_the_fingerprint_follows_documents_and_control(corpus):
    given = Texts([Document("the cat", "a")])
    made = [memorisation(corpus, **each) for each in ({}, {"documents": given}, {"control": Given()})]
    assert len({each.fingerprint() for each in made}) == 3
