"""Preference pairs and prompts for rollouts are one data module each: order, plan and resume stay the same."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lm.batch import Batch
from lm.data import Row, RowDataModule, Rows, RowSource, TrainingData
from lm.files import hash_json
from lm.optimizer import Plan

CONTEXT, STEPS, ROWS = 12, 6, 8


class PairRows(RowSource):
    """One pair per row: the chosen answer is document 0, the rejected one document 1."""

    def __init__(self, pairs, padding: int):
        self.pairs, self.padding = pairs, padding
        self.counts = np.array([len(chosen) + len(rejected) for _, chosen, rejected in pairs])

    @property
    def loss_weights(self) -> np.ndarray:
        return np.ones(len(self))  # the loss of a step is divided by its pairs

    def row(self, index: int) -> Row:
        tokens, targets = np.full((2, CONTEXT), self.padding)
        supervised, documents = np.zeros(CONTEXT, dtype=bool), np.full(CONTEXT, -1)
        prompt, *answers = self.pairs[index]
        end = 0
        for side, answer in enumerate(answers):
            ids = [*prompt, *answer]
            here, end = slice(end, end + len(ids) - 1), end + len(ids) - 1
            tokens[here], targets[here], documents[here] = ids[:-1], ids[1:], side
            supervised[end - len(answer) : end] = True
        return Row(tokens, targets, supervised, documents)


class PreferenceData(TrainingData):
    """Pairs of answers of which the first is preferred."""

    def __init__(self, pairs, **options):
        super().__init__(**options)
        self.pairs = pairs

    def open(self, *, tokenizer, context: int) -> Rows:
        return Rows({"pairs": PairRows(self.pairs, padding=0)}, tokenizer)

    def fingerprint(self) -> str:
        return hash_json(self.pairs)


@dataclass
class PromptBatch(Batch):
    prompt: torch.Tensor | None = None  # B  int64, by which a reward looks up the reference answer


@dataclass
class PromptRow(Row):
    batch = PromptBatch

    prompt: int = 0


class PromptRows(RowSource):
    """One prompt per row, padded on the left: a policy continues at the right end."""

    def __init__(self, prompts, padding: int):
        self.prompts, self.padding = prompts, padding
        self.counts = np.zeros(len(prompts), dtype=np.int64)  # nothing is supervised before the rollout

    @property
    def amounts(self) -> np.ndarray:
        return np.ones(len(self), dtype=np.int64)  # a mixture counts prompts

    @property
    def loss_weights(self) -> np.ndarray:
        return np.ones(len(self))

    def row(self, index: int) -> PromptRow:
        prompt = self.prompts[index]
        tokens = np.array([*[self.padding] * (CONTEXT - len(prompt)), *prompt])
        documents = np.where(np.arange(CONTEXT) < CONTEXT - len(prompt), -1, 0)
        nothing = np.zeros(CONTEXT, dtype=bool)
        return PromptRow(tokens, np.full(CONTEXT, self.padding), nothing, documents, prompt=index)


class PromptData(TrainingData):
    """Prompts that a policy answers."""

    def __init__(self, prompts, **options):
        super().__init__(**options)
        self.prompts = prompts

    def open(self, *, tokenizer, context: int) -> Rows:
        return Rows({"prompts": PromptRows(self.prompts, padding=0)}, tokenizer)

    def fingerprint(self) -> str:
        return hash_json(self.prompts)


def texts(count: int, longest: int, seed: int) -> list[list[int]]:
    draw = np.random.default_rng(seed)
    return [draw.integers(1, 30, draw.integers(1, longest + 1)).tolist() for _ in range(count)]


PAIRS = [*zip(texts(21, 3, 0), texts(21, 3, 1), texts(21, 3, 2), strict=True)]
DATA = {"pairs": PreferenceData(PAIRS), "prompts": PromptData(texts(21, 9, 3))}


def loader(data: TrainingData, *, ranks: int, rows: int, rank: int = 0, step: int = 0, workers: int = 0):
    plan = Plan(STEPS, ROWS, rows, ROWS // ranks // rows, ranks, CONTEXT)
    module = RowDataModule(data.open(tokenizer=None, context=CONTEXT).plan(plan, seed=1), workers=workers)
    module.trainer = SimpleNamespace(
        distributed_sampler_kwargs={"num_replicas": ranks, "rank": rank},
        global_step=step,
        strategy=SimpleNamespace(root_device=torch.device("cpu")),
    )
    return module.train_dataloader()


def joined(batches) -> dict[str, torch.Tensor]:
    fields = [name for name, value in vars(batches[0]).items() if isinstance(value, torch.Tensor)]
    return {name: torch.cat([getattr(batch, name) for batch in batches]) for name in fields}


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize(("ranks", "rows", "workers"), [(1, 2, 0), (2, 4, 2), (4, 1, 0)])
def test_ranks_micro_batches_and_workers_divide_the_same_global_batches(name, ranks, rows, workers):
    whole = list(loader(DATA[name], ranks=1, rows=ROWS))
    parts = [list(loader(DATA[name], ranks=ranks, rows=rows, rank=rank, workers=workers)) for rank in range(ranks)]
    micros = ROWS // ranks // rows
    for step, batch in enumerate(whole):
        dealt = [parts[rank][step * micros + micro] for micro in range(micros) for rank in range(ranks)]
        assert {each.denominator for each in dealt} == {batch.denominator} == {ROWS}
        found = joined(dealt)
        assert found.keys() == joined([batch]).keys()
        assert all(torch.equal(value, getattr(batch, field)) for field, value in found.items())


@pytest.mark.parametrize("name", DATA)
def test_a_run_resumes_at_the_step_of_the_trainer(name):
    walked = list(loader(DATA[name], ranks=1, rows=4))
    resumed = list(loader(DATA[name], ranks=1, rows=4, step=2))
    for batch, before in zip(resumed, walked[4:], strict=True):
        assert torch.equal(batch.tokens, before.tokens)


def test_both_sides_of_a_pair_stand_in_one_row_and_only_answers_are_supervised():
    rows = PreferenceData(PAIRS).open(tokenizer=None, context=CONTEXT).sources["pairs"]
    for number, (prompt, *answers) in enumerate(PAIRS):
        row = rows.row(number)
        for side, answer in enumerate(answers):
            here = row.documents == side
            assert row.targets[here & row.supervised].tolist() == answer
            assert [row.tokens[here][0], *row.targets[here]] == [*prompt, *answer]


def test_a_batch_of_prompts_carries_the_number_of_each_prompt():
    (prompts,) = DATA["prompts"].open(tokenizer=None, context=CONTEXT).sources.values()
    for batch in loader(DATA["prompts"], ranks=1, rows=ROWS):
        assert isinstance(batch, PromptBatch)
        for tokens, number in zip(batch.tokens, batch.to("cpu").prompt, strict=True):
            expected = prompts.prompts[number]
            assert tokens[CONTEXT - len(expected) :].tolist() == expected
