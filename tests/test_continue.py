"""Training continues on purpose: from the weights of a run, as another run, or the same run with a longer budget."""

import csv
import json
import shutil

import pytest
import torch

from lm.checkpoint import RunModel, load_model
from lm.cli.call import call_job
from lm.run import Run
from lm.run.manifest import read_manifest
from lm.tokenizer import load_tokenizer, train_bpe
from support.training_runs import composed, documents, instruction, make_corpus, pretraining, run

SHORT = ("model.context=16", "budget.batch_tokens=64", "validations=1", "callbacks.checkpoints.every=100")

CHATML = ("budget.steps=1", "model.context=64", "conversation@data.template=chatml")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    """A finished run of four steps."""
    root = tmp_path_factory.mktemp("trained")
    assert run(pretraining(corpus, root, "run", *SHORT, "budget.steps=4")) == 0
    return root / "pretrain" / "run"


def continuing(trained, corpus, root, *overrides) -> dict:
    """The plain config of a run of two steps that starts from the weights of another."""
    keys = {
        "run.root": root, "run.name": "more", "data.path": corpus, "model.path": trained, "budget.steps": 2,
        "budget.batch_tokens": 64, "compute.threads": 1, "callbacks.metrics.every": 1, "validations": 1,
    }  # fmt: skip
    options = ("model=checkpoint", "budget=steps", "compute=exact", "callbacks=quiet", "trainer=cpu")
    return composed("pretrain", *options, *(f"{key}={value}" for key, value in keys.items()), *overrides)


def saved(directory, which="last"):
    return torch.load(directory / "checkpoints" / f"{which}.ckpt", weights_only=True)


def first_loss(directory) -> float:
    with open(directory / "metrics.csv", newline="") as file:
        return float(next(csv.DictReader(file))["train/loss"])


def test_pretraining_starts_from_the_weights_of_a_run_with_fresh_optimizer_state(trained, corpus, tmp_path, capsys):
    rate = "optimizer.learning_rate=1e-12"  # the weights stay where they are
    call_job(continuing(trained, corpus, tmp_path, rate, "schedule=constant", "seed=7"))
    more = tmp_path / "pretrain" / "more"
    for name, value in saved(more)["state_dict"].items():
        torch.testing.assert_close(value, saved(trained, "best")["state_dict"][name], atol=1e-9, rtol=0)
    steps = {float(state["step"]) for state in saved(more)["optimizer_states"][0]["state"].values()}
    assert steps == {2.0}
    assert f"weights of {trained} (best, step 4, 256 tokens seen), fresh optimizer state" in capsys.readouterr().out


def test_the_manifest_records_the_lineage_over_several_runs(trained, corpus, tmp_path):
    call_job(continuing(trained, corpus, tmp_path))
    more = tmp_path / "pretrain" / "more"
    parent = {
        "run": str(trained), "fingerprint": Run.fingerprint(trained), "which": "best", "step": 4,
        "tokens": 256, "tokens_seen": 256,
    }  # fmt: skip
    assert read_manifest(more)["lineage"] == {"parent": parent}
    call_job(composed("consolidate", f"path={more}", f"run.root={tmp_path}", "which=last"))
    gathered = tmp_path / "consolidate" / "default"
    found = RunModel(str(gathered)).parent()
    assert (found["step"], found["tokens"], found["tokens_seen"]) == (2, 128, 384)
    assert found["parent"]["run"] == str(more)
    assert found["parent"]["parent"] == parent


def test_another_tokenizer_of_the_same_size_is_refused_with_the_command_that_prepares_the_data(trained, tmp_path):
    other = make_corpus(tmp_path / "other")
    backwards = (document.text[::-1] for document in documents())
    tokenizer = train_bpe(backwards, vocab_size=load_tokenizer(trained).vocab_size)
    assert tokenizer.vocab_size == load_tokenizer(trained).vocab_size, "the test needs equal sizes"
    tokenizer.save(other / "tokenizer.json")
    for dry_run in ("true", "false"):
        with pytest.raises(ValueError, match=rf"is not the tokenizer of model\.path={trained}.*lm corpus tokenizer\."):
            call_job(continuing(trained, other, tmp_path, f"dry_run={dry_run}"))
    assert not (tmp_path / "pretrain").exists()


def test_a_path_without_a_run_is_refused_as_such(corpus, tmp_path):
    with pytest.raises(ValueError, match=r"model\.path=.*nowhere does not exist"):
        call_job(continuing(tmp_path / "nowhere", corpus, tmp_path))


def test_a_longer_context_is_trained_and_said(trained, corpus, tmp_path, capsys):
    call_job(continuing(trained, corpus, tmp_path, "model.context=32", "model/adapter=lora"))
    assert "note: context 16 → 32: the model has read no position beyond 16" in capsys.readouterr().out
    model = load_model(str(tmp_path / "pretrain" / "more"))
    assert model.context == 32
    assert model(torch.zeros(1, 32, dtype=torch.int64)).isfinite().all()


def test_weights_of_the_size_of_the_context_are_refused_for_another_context(trained, tmp_path):
    copy = shutil.copytree(trained, tmp_path / "run")
    description = json.loads((copy / "model.json").read_text())
    (copy / "model.json").write_text(json.dumps(description | {"dim": 64}))  # as any weight of another shape
    with pytest.raises(ValueError, match=r"model\.context=32: the weights of .* fit only the context they were"):
        RunModel(str(copy), context=32).build()


def test_an_instruction_tuning_continues_with_other_conversations_in_the_same_template(trained, tmp_path):
    call_job(instruction(trained, tmp_path, "first", *CHATML))
    first = tmp_path / "instruct" / "first"
    call_job(instruction(first, tmp_path, "second", "budget.steps=1", "model/adapter=lora"))
    second = tmp_path / "instruct" / "second"
    assert (second / "conversation.json").read_bytes() == (first / "conversation.json").read_bytes()
    parent = read_manifest(second)["lineage"]["parent"]
    assert (parent["run"], parent["parent"]["run"]) == (str(first), str(trained))


def test_pretraining_on_from_a_tuned_model_keeps_its_template(trained, corpus, tmp_path):
    call_job(instruction(trained, tmp_path, "tuned", *CHATML))
    tuned = tmp_path / "instruct" / "tuned"
    call_job(continuing(tuned, corpus, tmp_path))
    assert (tmp_path / "pretrain/more/conversation.json").read_bytes() == (tuned / "conversation.json").read_bytes()


def test_a_plan_names_the_run_that_it_starts_from(trained, corpus, tmp_path, capsys):
    call_job(continuing(trained, corpus, tmp_path, "dry_run=true"))
    assert f"weights of {trained} (best, step 4" in capsys.readouterr().out
