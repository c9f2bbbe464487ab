"""A step with a non-finite loss or gradient is never saved; it ends the run, or all ranks skip it."""

import csv
import signal
import socket
from types import SimpleNamespace

import pytest
import torch

from lm.callbacks import NonFiniteGuard
from lm.cli.call import call_job
from lm.data.packing import cut
from lm.data.pretraining import PretrainingData
from lm.directory.manifest import read_manifest
from lm.objective import CausalLM
from lm.tokenizer import load_tokenizer
from support.training_runs import documents, make_corpus, pretraining, run, start

SKIP = "callbacks.non_finite.skip=3"
EXACT = ("model.dropout=0.0", "compute.precision=64-true")


def spoil(steps: list[int], more: str = "micro: 1") -> str:
    return f"+callbacks.spoil={{_target_: support.killers.Spoil, steps: {steps}, {more}}}"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def skipping(corpus, tmp_path_factory):
    """Run that skips its fifth and seventh step."""
    root = tmp_path_factory.mktemp("skipping")
    assert run(pretraining(corpus, root, "run", SKIP, spoil([5, 7]))) == 0
    return root / "pretrain" / "run"


def saved(directory) -> dict:
    return torch.load(directory / "checkpoints" / "last.ckpt", weights_only=True)


def assert_same(one: dict, other: dict, *, rel: float = 0.0) -> None:
    for name, value in one["state_dict"].items():
        torch.testing.assert_close(value, other["state_dict"][name], rtol=rel, atol=rel)
    moments, others = (each["optimizer_states"][0]["state"] for each in (one, other))
    assert moments.keys() == others.keys()
    for weight, state in moments.items():
        for part, value in state.items():
            torch.testing.assert_close(value, others[weight][part], rtol=rel, atol=rel)


def rows(directory) -> list[dict]:
    with open(directory / "metrics.csv", newline="") as file:
        return [{k: v for k, v in row.items() if "second" not in k} for row in csv.DictReader(file)]


@pytest.mark.parametrize("every", [1, 5, 100])  # 1: the next event is a checkpoint
@pytest.mark.parametrize("kind", ["micro: 1", "gradient: true"])
def test_nothing_of_a_bad_step_is_saved_and_the_run_ends(kind, every, corpus, tmp_path):
    config = pretraining(corpus, tmp_path, "run", spoil([6], kind), f"callbacks.checkpoints.every={every}")
    with pytest.raises(
        ValueError, match=r"^step 6: the (loss|gradient) is not finite.*callbacks\.non_finite\.skip=10$"
    ):
        call_job(config)
    last = saved(tmp_path / "pretrain" / "run")
    assert last["global_step"] == (4 if every == 100 else 5)
    assert all(torch.isfinite(value).all() for value in last["state_dict"].values())
    assert read_manifest(tmp_path / "pretrain" / "run")["state"] == "started"
    validated = [row["step"] for row in rows(tmp_path / "pretrain" / "run") if row["validation/loss"]]
    assert validated == ["4"], "spoiled weights are not validated"


@pytest.mark.parametrize("every", [1, 4])
def test_a_non_finite_step_is_detected_soon_when_nothing_is_saved(every, corpus, tmp_path):
    rarely = ("validations=0", "callbacks.checkpoints.every=100", f"+callbacks.non_finite.every={every}")
    with pytest.raises(ValueError, match=r"^step 5: the loss"):
        call_job(pretraining(corpus, tmp_path, "run", spoil([5]), *rarely))
    assert int(rows(tmp_path / "pretrain" / "run")[-1]["step"]) <= 5 + every - 1


def test_losses_of_checked_steps_are_released():
    callback = NonFiniteGuard(every=2)
    trainer = SimpleNamespace(accumulate_grad_batches=2, global_step=0)
    module = SimpleNamespace(gradient_norm=torch.tensor(1.0))
    for batch in range(40):
        trainer.global_step += batch % 2
        callback.on_train_batch_end(trainer, module, {"loss": torch.tensor(1.0)}, None, batch)
    assert not callback._losses


def test_the_message_names_the_documents_that_were_read(corpus, tmp_path):
    with pytest.raises(ValueError, match="micro-batch 2 of rank 0, which read rows") as raised:
        call_job(pretraining(corpus, tmp_path, "run", spoil([3]), "validations=0"))
    tokenizer = load_tokenizer(corpus)
    rows = PretrainingData(str(corpus), packing=cut).open(tokenizer=tokenizer, context=32)
    texts = {document.id: document.text for document in documents()}
    named = str(raised.value).partition("rows ")[2].partition(". Nothing")[0].split("), ")
    assert len(named) == 2
    for each in named:
        place, _, inside = each.rstrip(")").partition(" (")
        source, number = place.split()
        row = rows.sources[source].row(int(number))
        for name, ids in zip(inside.split(", "), _by_document(row, tokenizer), strict=True):
            assert tokenizer.decode(ids) in texts[name]


def _by_document(row, tokenizer):
    for number in range(int(row.documents.max()) + 1):
        targets = row.targets[row.documents == number]
        yield [int(token) for token in targets if token != tokenizer.end_of_document]


def test_a_skipped_step_leaves_weights_and_moments_as_they_were(corpus, tmp_path):
    states = []
    for name, batches in (("before", 17), ("after", 21)):  # four micro-batches a step: of step 4, and of 5
        config = (
            "callbacks.checkpoints.every=1",
            f"+callbacks.killer={{_target_: support.killers.KillAfterBatch, batches: {batches}}}",
        )
        assert run(pretraining(corpus, tmp_path, name, SKIP, spoil([5]), *config)) == -signal.SIGKILL
        states.append(saved(tmp_path / "pretrain" / name))
    assert [state["global_step"] for state in states] == [4, 5]
    assert_same(*states)
    assert states[0]["lr_schedulers"] != states[1]["lr_schedulers"], "the schedule advances"


def test_skipped_steps_are_counted_logged_and_recorded(skipping):
    counted = {int(row["step"]): row["train/skipped_steps"] for row in rows(skipping) if row["train/skipped_steps"]}
    assert counted == {5: "1", 7: "2"}
    assert read_manifest(skipping)["result"]["steps_without_effect"] == [[5, 5], [7, 7]]


@pytest.mark.parametrize("batches", [19, 22, 26])  # in the fifth, between, in the seventh
def test_a_killed_run_skips_the_same_steps_bit_for_bit(batches, skipping, corpus, tmp_path):
    killer = f"+callbacks.killer={{_target_: support.killers.KillAfterBatch, batches: {batches}}}"
    assert run(pretraining(corpus, tmp_path, "run", SKIP, spoil([5, 7]), killer)) == -signal.SIGKILL
    assert run(pretraining(corpus, tmp_path, "run", SKIP, spoil([5, 7]))) == 0
    assert_same(saved(tmp_path / "pretrain" / "run"), saved(skipping))
    assert rows(tmp_path / "pretrain" / "run") == rows(skipping)


def test_two_ranks_skip_what_one_of_them_cannot_use(corpus, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "NODE_RANK": "0"}
    two = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", spoil([5], "rank: 1"))
    config = pretraining(corpus, tmp_path, "two", *EXACT, SKIP, *two)
    processes = [start(config, **group, RANK=str(rank), LOCAL_RANK=str(rank)) for rank in (0, 1)]
    assert run(pretraining(corpus, tmp_path, "one", *EXACT, SKIP, spoil([5]))) == 0
    for process in processes:
        process.join(240)
    assert [process.exitcode for process in processes] == [0, 0]
    two, one = (saved(tmp_path / "pretrain" / name) for name in ("two", "one"))
    assert_same(two, one, rel=1e-9)


def test_one_step_more_than_may_be_skipped_ends_the_run(corpus, tmp_path):
    config = pretraining(corpus, tmp_path, "run", "callbacks.non_finite.skip=2", spoil([2, 3, 7]))
    with pytest.raises(ValueError, match=r"^2 steps were skipped before; step 7: .*callbacks\.non_finite\.skip=12$"):
        call_job(config)


def test_a_finite_loss_is_left_unchanged(corpus, tmp_path):
    names = {"with": (), "without": ("~callbacks.non_finite",)}
    for name, more in names.items():
        assert run(pretraining(corpus, tmp_path, name, "budget.steps=4", *more)) == 0
    assert_same(*(saved(tmp_path / "pretrain" / name) for name in names))


class Infinite(CausalLM):
    """Infinite loss with a finite gradient, as for a target of probability zero."""

    def summed_loss(self, batch):
        return self.model.weight.sum() + float("inf")


@pytest.mark.parametrize("objective", [CausalLM, Infinite])
def test_a_non_finite_loss_makes_the_gradient_non_finite(objective):
    module = objective(torch.nn.Linear(2, 1, bias=False), optimizer=None, schedule=None, steps=1)
    module._trainer = SimpleNamespace(
        accumulate_grad_batches=3, world_size=2, distributed_sampler_kwargs={"num_replicas": 2, "rank": 0}
    )
    module.summed_loss = module.summed_loss if objective is Infinite else lambda batch: module.model.weight.sum()
    module.training_step(SimpleNamespace(denominator=4.0), 0).backward()
    expected = torch.full((1, 2), float("nan") if objective is Infinite else 3 * 2 / 4)
    torch.testing.assert_close(module.model.weight.grad, expected, equal_nan=True, rtol=0, atol=0)
