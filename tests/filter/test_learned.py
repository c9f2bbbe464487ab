"""Quality is learned from examples, deterministically, and measured on held-out ones."""

import pickle
import random

import numpy as np
import pytest

from lm.config.build import build
from lm.config.check import plain
from lm.corpus import Document, Dropped
from lm.filter import LearnedQuality
from lm.sources import JsonlSource, TextSource
from support.compositions import composition
from support.shared_texts import DATA, needs_data, novels, parts, web_pages, wikipedia, wikitext

SEPARATOR = "<|next|>"
GOOD = ["the river", "a tree", "of stone", "under snow", "and birds", "in spring", "old house", "by the sea"]
POOR = ["buy now", "click", "best price", "cheap", "free", "win big", "subscribe", "the", "deal"]


def written(path, texts):
    path.write_text(SEPARATOR.join(texts))
    return TextSource(str(path), separator=SEPARATOR)


def drawn(words, count, seed):
    draw = random.Random(seed)
    return [" ".join(draw.choices(words, k=20)) for _ in range(count)]


def area(good, poor):
    """Area under the ROC curve: the share of pairs in which the good text scores higher."""
    return float(np.mean([[one > other for other in poor] for one in good]))


@pytest.fixture
def sources(tmp_path):
    good, poor = (
        written(tmp_path / "good.txt", drawn(GOOD, 200, 1)),
        written(tmp_path / "poor.txt", drawn(POOR, 300, 2)),
    )
    return {"good": good, "random": poor}


def test_documents_like_the_good_examples_are_kept(sources):
    quality = LearnedQuality(**sources, min_score=0.5)
    good, poor = Document(drawn(GOOD, 1, 3)[0], "x"), Document(drawn(POOR, 1, 4)[0], "x")
    assert quality(good) is good
    dropped = quality(poor)
    assert dropped == Dropped("low quality", f"{quality.score(poor.text):.3f} < 0.500")
    assert quality.accuracy == 1.0


def test_the_quantile_is_of_the_random_examples(sources):
    texts = drawn(POOR, 1000, 5)
    for quantile in (0.1, 0.5, 0.9):
        quality = LearnedQuality(**sources, quantile=quantile)
        dropped = sum(isinstance(quality(Document(text, "x")), Dropped) for text in texts) / len(texts)
        assert abs(dropped - quantile) < 0.12, quantile


def test_the_same_examples_give_the_same_weights_bit_for_bit(sources, tmp_path):
    first, second = (LearnedQuality(**sources, min_score=0.5).classifier for _ in range(2))
    turned = {
        "good": written(tmp_path / "turned.txt", drawn(GOOD, 200, 1)[::-1]),
        "random": written(tmp_path / "others.txt", drawn(POOR, 300, 2)[::-1]),
    }
    third = LearnedQuality(**turned, min_score=0.5).classifier
    for other in (second, third):
        assert other.weights.tobytes() == first.weights.tobytes()
        assert other.bias == first.bias
    fewer = LearnedQuality(**sources, min_score=0.5, documents=150).classifier
    assert fewer.weights.tobytes() != first.weights.tobytes()


def test_only_the_beginning_of_a_document_counts(sources):
    quality, text = LearnedQuality(**sources, min_score=0.5, characters=100), drawn(GOOD, 1, 3)[0][:100]
    assert quality.score(text + " buy now cheap") == quality.score(text)


def test_indistinguishable_examples_give_an_accuracy_of_chance(tmp_path):
    same = {
        "good": written(tmp_path / "a", drawn(GOOD, 400, 1)),
        "random": written(tmp_path / "b", drawn(GOOD, 400, 2)),
    }
    assert abs(LearnedQuality(**same, min_score=0.5).accuracy - 0.5) < 0.12


def test_the_filter_can_be_pickled_before_and_after_training(sources):
    quality, text = LearnedQuality(**sources, quantile=0.5), "the river and birds"
    before = pickle.loads(pickle.dumps(quality))
    assert before.score(text) == quality.score(text)
    sources["good"].files[0].unlink()  # what was learned goes along
    assert pickle.loads(pickle.dumps(quality)).score(text) == quality.score(text)


def test_bad_parameters_are_refused(sources, tmp_path):
    for options, message in (
        ({}, "filter.min_score and filter.quantile: give one"),
        ({"min_score": 0.5, "quantile": 0.5}, "filter.min_score and filter.quantile: give one"),
        ({"min_score": 2}, "filter.min_score 2 is out of range: give"),
        ({"quantile": -1}, "filter.quantile -1 is out of range: give"),
        ({"min_score": 0.5, "documents": 0}, "filter.documents .*: give 1 or more"),
    ):
        with pytest.raises(ValueError, match=message):
            LearnedQuality(**sources, **options)
    few = LearnedQuality(good=written(tmp_path / "few.txt", ["a b", "c d"]), random=sources["random"], min_score=0.5)
    with pytest.raises(ValueError, match=r"filter.good has 2 documents with words, too few .*: give a hundred"):
        few.accuracy  # noqa: B018


def test_the_config_accepts_text_or_json_lines(tmp_path):
    (tmp_path / "good.txt").write_text("a\n\nb")
    (tmp_path / "any.jsonl").write_text('{"text": "c"}\n')
    overrides = [
        "+filter@filter=learned", f"filter.good.path={tmp_path}/good.txt", "corpus@filter.random=jsonl",
        f"filter.random.path={tmp_path}/any.jsonl", "filter.min_score=0.5", "filter.quantile=null",
    ]  # fmt: skip
    quality = build(plain(composition("corpus").compose(overrides))["filter"])
    assert isinstance(quality.good, TextSource)
    assert isinstance(quality.random, JsonlSource)


@needs_data
def test_an_encyclopedia_is_distinguished_from_web_pages(tmp_path):
    """On held-out articles and pages."""
    pages, articles = web_pages(), wikipedia()
    learned = [piece for text in (wikitext(), *articles[::2]) for piece in parts(text, 3000)]
    quality = LearnedQuality(
        good=written(tmp_path / "good.txt", learned),
        random=written(tmp_path / "web.txt", pages[::2]),
        quantile=0.9,
    )
    good, poor = ([quality.score(text) for text in texts] for texts in (articles[1::2], pages[1::2]))
    assert area(good, poor) > 0.95
    assert quality.accuracy > 0.9


@needs_data
def test_novels_are_distinguished_from_their_shuffled_words(tmp_path):
    draw = random.Random(0)
    books = novels()
    pieces = [piece for book in books[:20] for piece in parts(book, 3000)][::3]
    spoiled = [" ".join(draw.sample(words := piece.split(" "), len(words))) for piece in pieces]
    quality = LearnedQuality(
        good=written(tmp_path / "good.txt", pieces[::2]),
        random=written(tmp_path / "poor.txt", spoiled[1::2]),
        min_score=0.5,
    )
    unseen = [piece for book in books[20:] for piece in parts(book, 3000)][::10]
    broken = [" ".join(draw.sample(words := piece.split(" "), len(words))) for piece in unseen]
    assert area([*map(quality.score, unseen)], [*map(quality.score, broken)]) > 0.95


@needs_data
def test_examples_may_be_json_lines(tmp_path):
    quality = LearnedQuality(
        good=written(tmp_path / "good.txt", parts(wikitext(), 3000)),
        random=JsonlSource(str(DATA / "web_samples" / "c4_300.jsonl")),
        quantile=0.3,
    )
    assert quality.accuracy > 0.9
