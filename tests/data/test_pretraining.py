"""Rows of a prepared corpus hold every byte of its training documents once, and nothing of held-out documents."""

from pathlib import Path

import numpy as np
import pytest

from lm.corpus import Document, Split, write_shards
from lm.data import Rows
from lm.data.batches import collate
from lm.data.mixture import Weights
from lm.data.packing import best_fit, cut
from lm.data.pretraining import PretrainingData
from lm.optimizer import Plan
from lm.tokenizer import load_tokenizer, train_bpe
from support.partition_step import alone
from support.training_runs import documents, make_corpus

CONTEXT = 32
PACKINGS = [cut, best_fit]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("corpora") / "words")


@pytest.fixture(scope="module")
def tokenizer(corpus):
    return load_tokenizer(corpus)


def opened(path, tokenizer, *, packing=cut, context=CONTEXT, validation_rows=None, **more) -> Rows:
    data = of(path, packing=packing, validation_rows=validation_rows, **more)
    return data.open(tokenizer=tokenizer, context=context)


def of(path, **more) -> PretrainingData:
    return PretrainingData([str(one) for one in path] if isinstance(path, list) else str(path), **more)


def plan_of(steps: int, rows: int = 8, context: int = CONTEXT) -> Plan:
    return Plan(steps=steps, rows_per_step=rows, rows_per_device=rows, accumulate=1, devices=1, row_tokens=context)


def expected(kind: str, *, held_out: bool) -> list[Document]:
    return [one for one in documents() if one.kind == kind and Split(0.1).held_out(one) == held_out]


def rows_of(source) -> list:
    return [source.row(index) for index in range(len(source))]


def reassembled(source) -> dict[int, tuple[list, list]]:
    """Inputs and targets of every document, put where the plan says that they belong; each place filled once."""
    found: dict[int, tuple[dict, dict]] = {}
    for index, row in enumerate(rows_of(source)):
        place = 0
        for document, start, length in source.packing.segments(index):
            inputs, targets = found.setdefault(document, ({}, {}))
            for offset in range(length):
                assert start + offset not in inputs
                inputs[start + offset] = int(row.tokens[place + offset])
                targets[start + offset] = int(row.targets[place + offset])
            place += length
    return {
        document: tuple([part[place] for place in range(len(part))] for part in parts)
        for document, parts in found.items()
    }


@pytest.mark.parametrize("packing", PACKINGS)
def test_every_token_of_the_training_documents_is_predicted_once_from_its_own_document(corpus, tokenizer, packing):
    data = opened(corpus, tokenizer, packing=packing)
    assert list(data.sources) == ["code", "prose"]
    for kind, source in data.sources.items():
        end, found = tokenizer.end_of_document, reassembled(source)
        texts = expected(kind, held_out=False)
        assert sorted(found) == list(range(len(texts)))
        for number, document in enumerate(texts):
            ids = tokenizer.encode(document.text)
            assert found[number] == ([end, *ids], [*ids, end])


def test_rows_of_cut_say_the_documents_one_after_another(corpus, tokenizer):
    for kind, source in opened(corpus, tokenizer).sources.items():
        said = [int(token) for row in rows_of(source) for token in row.targets[row.supervised]]
        assert tokenizer.decode(said) == "".join(document.text for document in expected(kind, held_out=False))


@pytest.mark.parametrize("packing", PACKINGS)
def test_targets_are_the_next_inputs_within_a_document_and_padding_ends_the_row(corpus, tokenizer, packing):
    seen_padding = False
    for source in opened(corpus, tokenizer, packing=packing).sources.values():
        assert source.counts.tolist() == [int(row.supervised.sum()) for row in rows_of(source)]
        for index, row in enumerate(rows_of(source)):
            assert len(row.tokens) == len(row.targets) == len(row.supervised) == len(row.documents) == CONTEXT
            assert row.kinds is row.bytes is None, "only validation is measured by kind"
            same = row.documents[1:] == row.documents[:-1]
            assert (row.targets[:-1][same] == row.tokens[1:][same]).all()
            filled = int(row.supervised.sum())
            pieces = [length for _, _, length in source.packing.segments(index)]
            assert row.documents.tolist() == [
                *(number for number, length in enumerate(pieces) for _ in range(length)),
                *[-1] * (CONTEXT - filled),
            ]
            assert row.supervised.tolist() == [True] * filled + [False] * (CONTEXT - filled)
            assert (row.tokens[filled:] == tokenizer.padding).all()
            assert (row.targets[filled:] == tokenizer.padding).all()
            seen_padding |= filled < CONTEXT
    assert seen_padding


@pytest.mark.parametrize("packing", PACKINGS)
def test_without_separation_rows_lack_only_their_documents_and_any_rows_make_a_batch(corpus, tokenizer, packing):
    apart = opened(corpus, tokenizer, packing=packing)
    together = opened(corpus, tokenizer, packing=packing, separate_documents=False)
    for kind, source in together.sources.items():
        rows = rows_of(source)
        for row, other in zip(rows, rows_of(apart.sources[kind]), strict=True):
            assert row.documents is None
            assert np.array_equal(row.tokens, other.tokens)
            assert np.array_equal(row.targets, other.targets)
            assert np.array_equal(row.supervised, other.supervised)
        assert collate(rows[::-1], denominator=1.0).documents is None
    assert rows_of(together.validation)[0].documents is not None, "bits per byte are of documents by themselves"


def test_held_out_documents_never_stand_in_training_rows(corpus, tokenizer):
    data = opened(corpus, tokenizer)
    trained = {
        kind: tokenizer.decode(token for row in rows_of(source) for token in row.tokens)
        for kind, source in data.sources.items()
    }
    for kind in ("code", "prose"):
        held_out = expected(kind, held_out=True)
        assert held_out
        for document in held_out:
            last_words = " ".join(document.text.split()[-2:])  # "mu 17.": no other document ends like this
            assert last_words not in "".join(trained.values())
        assert all(document.text in trained[kind] for document in expected(kind, held_out=False))


@pytest.mark.parametrize("packing", PACKINGS)
def test_bytes_of_the_validation_rows_are_those_of_the_held_out_documents(corpus, tokenizer, packing):
    data = opened(corpus, tokenizer, packing=packing)
    assert data.kinds == ["code", "prose"]
    rows = rows_of(data.validation)
    for number, kind in enumerate(data.kinds):
        measured = sum(int(row.bytes[row.kinds == number].sum()) for row in rows)
        assert measured == sum(len(document.text.encode()) for document in expected(kind, held_out=True))
    for row in rows:
        assert not row.bytes[row.targets == tokenizer.end_of_document].any()
        assert not row.bytes[~row.supervised].any()


def test_validation_rows_are_bounded_and_spread_from_first_to_last(corpus, tokenizer):
    every = opened(corpus, tokenizer).validation
    some = opened(corpus, tokenizer, validation_rows=5).validation
    assert len(every) > len(some) == 5
    for index, whole in ((0, 0), (4, len(every) - 1)):
        assert np.array_equal(some.row(index).targets, every.row(whole).targets)
    assert some.counts.tolist() == [int(some.row(index).supervised.sum()) for index in range(5)]
    assert len(opened(corpus, tokenizer, validation_rows=10**6).validation) == len(every)


def uneven(directory: Path) -> Path:
    """Long documents of code and short ones of prose."""
    long = [Document("alpha beta " * 30 + f"{number:02}", str(number), "code", "long") for number in range(20)]
    short = [Document(f"gamma {number:02}", str(number), "prose", "short") for number in range(50)]
    tokenizer = train_bpe((document.text for document in long + short), vocab_size=270)
    write_shards(long + short, directory, tokenizer=tokenizer, split=Split(0.0), shard_tokens=10**6)
    return directory


@pytest.mark.parametrize("share", [0.5, 0.9, 0.05])
def test_weights_are_shares_of_tokens_at_every_step_to_within_a_row(tmp_path, share):
    path = uneven(tmp_path)
    data = opened(
        path, load_tokenizer(path), packing=alone, context=256, mixture=Weights({"code": share, "prose": 1 - share})
    )  # a document a row, so rows of prose hold a tenth of the tokens of rows of code
    plan = plan_of(200, context=256)
    planned = data.plan(plan, seed=0)
    counts = [source.counts for source in data.sources.values()]
    assert counts[0].min() > 5 * counts[1].max()
    sources, rows = planned.order.rows(0, plan.steps * plan.rows_per_step)
    read = np.array([counts[source][row] for source, row in zip(sources, rows, strict=True)])
    total, code = np.cumsum(read), np.cumsum(read * (sources == 0))
    assert np.abs(code - share * total).max() <= counts[0].max()


def test_several_corpora_are_named_by_their_directories(tmp_path):
    texts = documents(240)
    tokenizer = train_bpe((document.text for document in texts), vocab_size=300)
    for name, part in {"web": texts[:100], "books": texts[100:]}.items():
        write_shards(part, tmp_path / name, tokenizer=tokenizer, split=Split(0.1), shard_tokens=10**6)
    paths = [tmp_path / "web", tmp_path / "books"]
    data = opened(paths, tokenizer, mixture=Weights({"web/code": 1, "books/prose": 3}))
    assert list(data.sources) == data.kinds == ["web/code", "web/prose", "books/code", "books/prose"]
    assert len(data) == sum(len(source) for source in data.sources.values())
    taken = np.bincount(data.plan(plan_of(10), seed=0).order.rows(0, 80)[0], minlength=4)
    assert taken.tolist()[1:3] == [0, 0]
    assert abs(taken[3] - 60) <= 1
    held_out = dict.fromkeys(data.kinds, "")
    for row in rows_of(data.validation):
        (kind,) = set(row.kinds[row.supervised].tolist())
        held_out[data.kinds[kind]] += tokenizer.decode(row.targets)
    for name, part in {"web": texts[:100], "books": texts[100:]}.items():
        for kind in ("code", "prose"):
            wanted = [one.text for one in part if one.kind == kind and Split(0.1).held_out(one)]
            assert held_out[f"{name}/{kind}"] == "".join(wanted)
    both, one = of(paths, packing=cut), of(paths[0], packing=cut)
    assert of(paths, packing=best_fit).fingerprint() == both.fingerprint() != one.fingerprint()


def test_corpora_of_one_name_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"data\.path has 2 corpora named 'default'.*rename"):
        PretrainingData([str(tmp_path / "a" / "default"), str(tmp_path / "b" / "default")], packing=cut)


def test_a_budget_beyond_max_epochs_is_refused_with_the_numbers(corpus, tokenizer):
    data = opened(corpus, tokenizer, max_epochs=2)
    once = len(data) / 8
    data.plan(plan_of(int(2 * once)), seed=0)
    with pytest.raises(ValueError, match=r"data\.max_epochs=2: the budget would read code 3\.\d\d times, prose 3\."):
        data.plan(plan_of(int(3 * once) + 1), seed=0)
    weighted = opened(corpus, tokenizer, max_epochs=2, mixture=Weights({"code": 0.99, "prose": 0.01}))
    with pytest.raises(ValueError, match=r"would read code \d\.\d\d times;"):
        weighted.plan(plan_of(int(2 * once)), seed=0)


def test_a_weight_for_no_source_is_refused_with_what_was_meant(corpus, tokenizer):
    data = opened(corpus, tokenizer, mixture=Weights({"code": 1, "pros": 1}))
    with pytest.raises(ValueError, match=r"data\.mixture\.weights\.pros: no such source; did you mean prose\?"):
        data.plan(plan_of(2), seed=0)


def test_another_tokenizer_is_refused_with_the_remedy(corpus):
    other = train_bpe(["another text altogether, another vocabulary"] * 9, vocab_size=280)
    with pytest.raises(ValueError, match=r"was made with another tokenizer \(.*use .*tokenizer\.json"):
        opened(corpus, other)


def test_training_rows_can_be_printed(corpus, tokenizer, capsys):
    opened(corpus, tokenizer, packing=best_fit).show(2)
    shown = capsys.readouterr().out
    assert shown.count("targets supervised") == 4
    assert "<document>[[" in shown


def test_a_damaged_shard_is_refused_unless_verify_is_never(tmp_path, tokenizer):
    path = make_corpus(tmp_path / "corpus")
    shard = next(path.glob("train-code-*.bin"))
    shard.write_bytes(bytes(shard.stat().st_size))
    tokenizer = load_tokenizer(path)
    with pytest.raises(
        ValueError, match=rf"{shard.name} is damaged \(it is not what was written\): make the corpus again"
    ):
        opened(path, tokenizer)
    opened(path, tokenizer, verify="never")
