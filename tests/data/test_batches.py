"""Ranks, micro-batches, workers and resumption divide the global batches, and change nothing in them."""

import pickle
from contextlib import nullcontext
from dataclasses import fields
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lm.corpus import Shards, Split, write_shards
from lm.data import Row, RowDataModule, Rows, RowSource
from lm.data.batches import ResumeSampler, TrainingBatches, ValidationBatches, collate
from lm.data.mixture import Weights
from lm.data.order import Order
from lm.data.packing import best_fit, cut
from lm.data.pretraining import PretrainingData, StreamDocuments
from lm.data.row_source import Concatenated, Documents, PackedRows, Subset, evenly_spaced
from lm.optimizer import Plan
from lm.tokenizer import load_tokenizer, train_bpe
from support.training_runs import Texts, documents, make_corpus

ROWS, STEPS, CONTEXT = 16, 5, 32
SPLITS = [(ranks, rows) for ranks in (1, 2, 4) for rows in (1, 2, 4, 8, 16) if ranks * rows <= ROWS]


def plan_of(ranks: int, rows_per_device: int, context: int = CONTEXT) -> Plan:
    return Plan(
        steps=STEPS,
        rows_per_step=ROWS,
        rows_per_device=rows_per_device,
        accumulate=ROWS // ranks // rows_per_device,
        devices=ranks,
        row_tokens=context,
    )


class Ragged(RowSource):
    """Rows that say which they are, with none, some or all of their targets supervised."""

    def __init__(self, rows: int, first: int = 0):
        self.first = first
        self.counts = np.arange(rows, dtype=np.int64) % 5

    def row(self, index: int) -> Row:
        assert 0 <= index < len(self)
        ids = np.full(4, self.first + index)
        return Row(ids, ids + 1, np.arange(4) < self.counts[index])


def sources() -> list[Ragged]:
    return [Ragged(23), Ragged(31, first=1000)]


def order(seed: int = 3) -> Order:
    return Order(seed, [23, 31], stages=[(STEPS * ROWS, [Fraction(3, 10), Fraction(7, 10)])])


@pytest.fixture(scope="module")
def opened(tmp_path_factory) -> Rows:
    path = make_corpus(tmp_path_factory.mktemp("corpus"))
    data = PretrainingData(str(path), packing=best_fit, mixture=Weights({"code": 1, "prose": 2}))
    return data.open(tokenizer=load_tokenizer(path), context=CONTEXT)


def attach(opened, plan: Plan, *, rank: int = 0, step: int = 0, workers: int = 0, seed: int = 1) -> RowDataModule:
    """A data module that sees of the trainer what it asks for."""
    data = RowDataModule(opened.plan(plan, seed=seed), workers=workers)
    device = SimpleNamespace(root_device=torch.device("cpu"))
    share = {"num_replicas": plan.devices, "rank": rank}
    precision = SimpleNamespace(convert_input=lambda batch: batch, forward_context=nullcontext)
    data.trainer = SimpleNamespace(
        distributed_sampler_kwargs=share, global_step=step, strategy=device, precision_plugin=precision
    )
    return data


def assert_same(found, wanted) -> None:
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert one.denominator == other.denominator
        for field in ("tokens", "targets", "supervised", "documents", "kinds", "bytes"):
            mine, theirs = getattr(one, field), getattr(other, field)
            assert mine is theirs is None or torch.equal(mine, theirs), field


@pytest.mark.parametrize(("ranks", "rows_per_device"), SPLITS)
def test_micro_batches_of_all_ranks_are_the_global_batches_in_their_order(ranks, rows_per_device):
    plan, parts = plan_of(ranks, rows_per_device), sources()
    of_rank = [TrainingBatches(parts, order(), plan, rank=rank) for rank in range(ranks)]
    assert {len(batches) for batches in of_rank} == {STEPS * plan.accumulate}
    for step in range(STEPS):
        chosen = zip(*order().rows(step * ROWS, (step + 1) * ROWS), strict=True)
        rows = [parts[source].row(int(row)) for source, row in chosen]
        supervised = sum(int(row.supervised.sum()) for row in rows)
        micros = [
            of_rank[rank][step * plan.accumulate + micro] for micro in range(plan.accumulate) for rank in range(ranks)
        ]
        assert {micro.denominator for micro in micros} == {float(supervised)}
        assert {len(micro.tokens) for micro in micros} == {rows_per_device}
        for field in ("tokens", "targets", "supervised"):
            whole = torch.cat([getattr(micro, field) for micro in micros])
            assert torch.equal(whole, torch.from_numpy(np.stack([getattr(row, field) for row in rows])))


@pytest.mark.parametrize(("ranks", "rows_per_device"), [(1, 16), (2, 4), (4, 1)])
def test_rows_of_a_corpus_reach_the_ranks_as_the_global_batches(opened, ranks, rows_per_device):
    plan = plan_of(ranks, rows_per_device)
    loaders = []
    for rank in range(ranks):
        data = attach(opened, plan, rank=rank)
        loaders.append(list(data.train_dataloader()))
    parts = list(opened.sources.values())
    for step in range(STEPS):
        chosen = zip(*data.data_plan.order.rows(step * ROWS, (step + 1) * ROWS), strict=True)
        rows = [parts[source].row(int(row)) for source, row in chosen]
        micros = [loaders[rank][step * plan.accumulate + m] for m in range(plan.accumulate) for rank in range(ranks)]
        for field in ("tokens", "targets", "supervised", "documents"):
            whole = torch.cat([getattr(micro, field) for micro in micros])
            assert torch.equal(whole, torch.from_numpy(np.stack([getattr(row, field) for row in rows])))
        assert {micro.denominator for micro in micros} == {float(sum(row.supervised.sum() for row in rows))}


def test_a_step_with_nothing_supervised_divides_by_one():
    nothing = Ragged(16)
    nothing.counts[:] = 0
    batches = TrainingBatches([nothing], Order(0, [16]), plan_of(2, 4), rank=1)
    assert {batches[item].denominator for item in range(len(batches))} == {1.0}


@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
@pytest.mark.parametrize("rows", [1, 3, 8, 40])
@pytest.mark.parametrize("total", [1, 7, 24])
def test_validation_sees_every_row_once_over_the_ranks_and_counts_the_surplus_never(ranks, rows, total):
    source = Ragged(total)
    source.counts[:] = 4
    of_rank = [ValidationBatches(source, rows=rows, rank=rank, ranks=ranks) for rank in range(ranks)]
    (length,) = {len(batches) for batches in of_rank}  # ranks that stop early would leave the others waiting
    batches = [of_rank[rank][item] for item in range(length) for rank in range(ranks)]
    counted = [batch for batch in batches if batch.supervised.any()]
    assert torch.cat([batch.tokens[:, 0] for batch in counted]).tolist() == list(range(total))
    assert all(batch.supervised.all() for batch in counted)
    assert {batch.denominator for batch in counted} == {4.0 * len(batch.tokens) for batch in counted}
    assert len(counted) == -(-total // rows)
    assert len(batches) - len(counted) < ranks, "no more repetition than it takes to keep in step"
    assert [row.supervised.all() for row in map(source.row, range(total))] == [True] * total


def test_workers_give_what_the_process_itself_gives(opened):
    plan = plan_of(2, 2)
    data = attach(opened, plan, rank=1)
    alone, measured = list(data.train_dataloader()), list(data.val_dataloader())
    data = attach(opened, plan, rank=1, workers=2)
    assert_same(list(data.train_dataloader()), alone)
    assert_same(list(data.val_dataloader()), measured)
    assert len(alone) == STEPS * plan.accumulate
    assert measured


def test_workers_that_are_not_forked_get_what_they_need_by_pickle_and_stay(opened, monkeypatch):
    """As on macOS and Windows, where a worker starts Python again."""
    data = attach(opened, plan_of(2, 2), rank=1, workers=1)
    assert not data.train_dataloader().persistent_workers
    monkeypatch.setattr("lm.data.module.get_start_method", lambda: "spawn")
    loader = data.val_dataloader()
    assert loader.persistent_workers
    dataset, _ = pickle.loads(pickle.dumps((loader.dataset, loader.worker_init_fn)))
    assert_same([dataset[0]], [loader.dataset[0]])


def staged() -> tuple[list[Ragged], Order]:
    """Three stages of two, one and two steps."""
    shares = [[Fraction(1, 10), Fraction(9, 10)], [Fraction(1, 2), Fraction(1, 2)], [Fraction(2, 3), Fraction(1, 3)]]
    return sources(), Order(3, [23, 31], stages=[*zip([2 * ROWS, ROWS, 2 * ROWS], shares, strict=True)])


@pytest.mark.parametrize("killed", range(STEPS))
def test_a_run_killed_in_any_stage_resumes_on_other_ranks_with_the_same_rows_in_every_batch(killed):
    parts, whole = staged()
    wanted = [whole.rows(step * ROWS, (step + 1) * ROWS) for step in range(STEPS)]
    seen: list[list[int]] = []
    for ranks, rows, steps in ((1, 4, range(killed)), (2, 2, range(killed, STEPS))):
        plan, (_, restarted) = plan_of(ranks, rows), staged()  # a new process knows nothing but the step
        of_rank = [TrainingBatches(parts, restarted, plan, rank=rank) for rank in range(ranks)]
        for step in steps:
            items = range(step * plan.accumulate, (step + 1) * plan.accumulate)
            seen.append([int(each) for item in items for one in of_rank for each in one[item].tokens[:, 0]])
    assert seen == [[1000 * int(s) + int(r) for s, r in zip(*chosen, strict=True)] for chosen in wanted]


@pytest.mark.parametrize("step", [0, 1, 3, STEPS])
def test_a_step_computed_directly_equals_the_step_reached_by_iterating(opened, step):
    plan = plan_of(1, 4)
    walked = list(attach(opened, plan).train_dataloader())
    resumed = attach(opened, plan, step=step).train_dataloader()
    assert len(resumed) == len(walked), "Lightning counts from the beginning"
    assert_same(list(resumed), walked[step * plan.accumulate :])


@pytest.mark.parametrize("prompt_weight", [0.0, 0.25])
@pytest.mark.parametrize("packing", [best_fit, cut])
def test_rows_read_together_are_the_rows_read_one_by_one(tmp_path, packing, prompt_weight):
    texts = Texts(documents())
    tokenizer = train_bpe((document.text for document in texts), vocab_size=300)
    write_shards(texts, tmp_path, tokenizer=tokenizer, split=Split(0.1), shard_tokens=300)
    stream = Shards(tmp_path, "train").streams["code"]
    assert len(stream.paths) > 1
    kinds, sizes = np.arange(stream.documents) % 3, np.arange(300)
    for read in (StreamDocuments(stream, beginning=7), Halves(StreamDocuments(stream, beginning=7))):
        packed = packing(np.diff(stream.bounds), CONTEXT)
        rows = PackedRows(read, packed, padding=2, kinds=kinds, token_bytes=sizes, prompt_weight=prompt_weight)
        chosen = np.array([5, 0, len(rows) - 1, 5])
        together = Subset(rows, np.arange(len(rows))[::-1]).stacked(len(rows) - 1 - chosen)
        for field in fields(Row):
            each, whole = [getattr(rows.row(int(row)), field.name) for row in chosen], getattr(together, field.name)
            assert (whole is None) == (each[0] is None)
            if whole is not None:
                assert np.array_equal(np.stack(each), whole)
                assert whole.dtype == each[0].dtype


class Halves(Documents):
    """Documents of which every other target is supervised, read piece by piece."""

    def __init__(self, documents: Documents):
        self.documents = documents

    def read(self, document: int, start: int, length: int) -> tuple[np.ndarray, np.ndarray]:
        return self.documents.read(document, start, length)[0], np.arange(start, start + length) % 2 == 0

    def name(self, document: int) -> str:
        return self.documents.name(document)


def test_the_sampler_goes_from_its_start_to_the_end_of_the_run():
    assert list(ResumeSampler(3, 7)) == [3, 4, 5, 6]
    assert len(ResumeSampler(3, 7)) == 7
    assert list(ResumeSampler(7, 7)) == []


def test_another_seed_gives_other_batches(opened):
    one, other = (
        [batch.tokens for batch in attach(opened, plan_of(1, 16), seed=seed).train_dataloader()] for seed in (1, 2)
    )
    assert not any(map(torch.equal, one, other))


def test_fields_that_rows_lack_are_none_in_the_batch():
    batch = collate([Ragged(9).row(4), Ragged(9).row(3)], denominator=7.0)
    assert batch.loss_weights is None
    assert batch.documents is batch.kinds is batch.bytes is None
    assert batch.denominator == 7.0
    assert batch.tokens.dtype == batch.targets.dtype == torch.int64
    assert batch.supervised.tolist() == [[True] * 4, [True, True, True, False]]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("step", "rows_per_device"), [(0, 16), (0, 4), (2, 4)])
def test_steps_are_prepared_whole_from_the_step_of_the_trainer_on(opened, step, rows_per_device, workers):
    plan, steps = plan_of(1, rows_per_device), []

    def prepare(batches):
        steps.append(batches)
        return batches[::-1]

    data = attach(opened, plan, step=step, workers=workers)
    plain = [*data.train_dataloader()]
    data.prepare = prepare
    loader = data.train_dataloader()
    assert len(loader) == STEPS * plan.accumulate
    prepared = iter(loader)
    first = next(prepared)
    assert len(steps) == 1  # no step is prepared before the one before it is trained
    prepared = [first, *prepared]
    assert [len(batches) for batches in steps] == [plan.accumulate] * (STEPS - step)
    assert_same([batch for batches in steps for batch in batches], plain)
    assert_same(prepared, [batch for batches in steps for batch in batches[::-1]])


def test_some_rows_of_a_source_keep_their_weights_amounts_and_names():
    source = Weighted(9)
    some = evenly_spaced(source, 3)
    assert some.counts.tolist() == source.counts[[0, 4, 8]].tolist()
    assert some.loss_weights.tolist() == [1, 1, 1]
    assert some.amounts.tolist() == [0, 40, 80]
    assert some.document_names(1) == ["row 4"]
    both = Concatenated([some, source])
    assert both.amounts.tolist() == [0, 40, 80, *range(0, 90, 10)]
    assert both.loss_weights.tolist() == [1] * 12


class Weighted(Ragged):
    """Rows of one loss weight each, as pairs have."""

    @property
    def loss_weights(self) -> np.ndarray:
        return np.ones(len(self))

    @property
    def amounts(self) -> np.ndarray:
        return 10 * np.arange(len(self))

    def document_names(self, row: int) -> list[str]:
        return [f"row {row}"]
