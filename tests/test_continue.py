"""Training continues on purpose: from the weights of a run, as another run, or the same run with a longer budget."""

import csv
import json
import re
import shutil
import signal

import pytest
import torch

from lm.checkpoint import RunModel
from lm.cli.call import call_job
from lm.directory import Interrupted, Run
from lm.directory.manifest import read_manifest
from lm.interchange import load_model
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
    rate = ("optimizer=adamw", "optimizer.learning_rate=1e-12")  # the weights stay where they are
    call_job(continuing(trained, corpus, tmp_path, *rate, "schedule=constant", "seed=7"))
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


WSD = ("schedule=warmup_stable_decay", "schedule.warmup=0", "schedule.decay=0.4", "model.dropout=0.1")


@pytest.fixture(scope="module")
def longer(corpus, tmp_path_factory):
    """A run of 20 steps from the start."""
    root = tmp_path_factory.mktemp("longer")
    assert run(pretraining(corpus, root, "run", *SHORT, *WSD, "budget.steps=20")) == 0
    return root / "pretrain" / "run"


@pytest.fixture(scope="module")
def shorter(corpus, tmp_path_factory):
    """A finished run of 10 steps, of which the last 4 lower the rate."""
    root = tmp_path_factory.mktemp("shorter")
    assert run(pretraining(corpus, root, "run", *SHORT, *WSD, "budget.steps=10")) == 0
    return root


@pytest.fixture
def short(shorter, tmp_path):
    """The root of a copy of the shorter run."""
    return shutil.copytree(shorter, tmp_path / "root")


def extending(corpus, root, *overrides) -> dict:
    return pretraining(corpus, root, "run", *SHORT, *WSD, "budget.steps=20", "run.extend=true", *overrides)


def training_rows(directory) -> list[dict]:
    with open(directory / "metrics.csv", newline="") as file:
        rows = [{k: v for k, v in row.items() if k == "step" or k.startswith("train/")} for row in csv.DictReader(file)]
    return [{k: v for k, v in row.items() if "second" not in k} for row in rows if row["train/loss"]]


def assert_same_end(directory, reference) -> None:
    for part in ("state_dict", "optimizer_states", "lr_schedulers", "global_step", "validation"):
        assert str(saved(directory)[part]) == str(saved(reference)[part]), part
    here, there = saved(directory)["state_dict"], saved(reference)["state_dict"]
    assert all(torch.equal(here[name], there[name]) for name in there)
    assert training_rows(directory) == training_rows(reference)


def test_a_finished_run_is_extended_from_before_its_decay_bit_for_bit(short, corpus, longer, capsys):
    directory = short / "pretrain" / "run"
    assert saved(directory, "stable")["global_step"] == 7
    call_job(extending(corpus, short))
    assert_same_end(directory, longer)
    for which in ("best", "stable"):
        assert saved(directory, which)["global_step"] == saved(longer, which)["global_step"], which
    printed = capsys.readouterr().out
    assert "extended from 10 to 20 steps: continues at step 7" in printed
    assert "warm-up" not in printed
    manifest = read_manifest(directory)
    (extension,) = manifest["lineage"]["extensions"]
    assert extension.pop("when")
    assert extension == {"steps": [10, 20], "from": {"checkpoint": "stable", "step": 7}}
    assert manifest["state"] == "complete"
    call_job(extending(corpus, short))
    assert "nothing to do" in capsys.readouterr().out


@pytest.mark.parametrize("batches", [5, 9], ids=["held", "in the decay"])
def test_an_interrupted_run_is_extended_bit_for_bit(batches, corpus, longer, tmp_path):
    moments = f"batches: {2 * batches}, number: {int(signal.SIGTERM)}"  # two micro-batches a step
    killer = f"+callbacks.killer={{_target_: support.killers.SignalAfterBatch, {moments}}}"
    with pytest.raises(Interrupted):
        call_job(pretraining(corpus, tmp_path, "run", *SHORT, *WSD, "budget.steps=10", killer))
    assert saved(tmp_path / "pretrain" / "run")["global_step"] == batches
    call_job(extending(corpus, tmp_path))
    assert_same_end(tmp_path / "pretrain" / "run", longer)


@pytest.mark.parametrize("saves", [0, 1])
def test_an_extension_that_is_killed_resumes_bit_for_bit(saves, short, corpus, longer):
    batches = "callbacks.checkpoints.every=2"
    killer = f"+callbacks.killer={{_target_: support.killers.KillAfterBatch, batches: {16 + 4 * saves}}}"
    assert run(extending(corpus, short, batches, killer)) == -signal.SIGKILL
    assert saved(short / "pretrain" / "run")["global_step"] == (8 if saves else 10)
    call_job(pretraining(corpus, short, "run", *SHORT, *WSD, "budget.steps=20"))  # with or without extend
    assert_same_end(short / "pretrain" / "run", longer)


def test_an_extended_run_is_extended_again(corpus, tmp_path, longer):
    for steps in (5, 10, 20):
        extend = f"run.extend={'true' if steps > 5 else 'false'}"
        call_job(pretraining(corpus, tmp_path, "run", *SHORT, *WSD, f"budget.steps={steps}", extend))
    assert_same_end(tmp_path / "pretrain" / "run", longer)
    extensions = read_manifest(tmp_path / "pretrain" / "run")["lineage"]["extensions"]
    assert [each["steps"] for each in extensions] == [[5, 10], [10, 20]]


def test_a_run_at_a_constant_rate_is_extended_from_its_end(corpus, tmp_path):
    flat = (*SHORT, "schedule=constant", "schedule.warmup=0")
    call_job(pretraining(corpus, tmp_path, "run", *flat, "budget.steps=3"))
    call_job(pretraining(corpus, tmp_path, "run", *flat, "budget.steps=6", "run.extend=true"))
    call_job(pretraining(corpus, tmp_path, "whole", *flat, "budget.steps=6"))
    assert_same_end(tmp_path / "pretrain" / "run", tmp_path / "pretrain" / "whole")
    assert not (tmp_path / "pretrain/run/checkpoints/stable.ckpt").exists()


def test_a_budget_in_epochs_extends_a_mixture_with_the_same_rows(corpus, tmp_path, capsys):
    mixed = (*SHORT, *WSD, "budget.steps=null", "data/mixture=weights", "data.mixture.weights={code: 1, prose: 3}")
    call_job(pretraining(corpus, tmp_path, "run", *mixed, "+budget.epochs=0.1"))
    call_job(pretraining(corpus, tmp_path, "run", *mixed, "+budget.epochs=0.2", "run.extend=true"))
    call_job(pretraining(corpus, tmp_path, "whole", *mixed, "+budget.epochs=0.2"))
    assert saved(tmp_path / "pretrain" / "run", "stable")["global_step"] > 0
    assert_same_end(tmp_path / "pretrain" / "run", tmp_path / "pretrain" / "whole")
    capped = "data.max_epochs=0.5"
    call_job(pretraining(corpus, tmp_path, "capped", *mixed, capped, "+budget.epochs=0.1"))
    with pytest.raises(ValueError, match=r"data\.max_epochs=0\.5: the budget would read"):
        call_job(pretraining(corpus, tmp_path, "capped", *mixed, capped, "+budget.epochs=2", "run.extend=true"))


def test_a_mixture_whose_rows_depend_on_the_length_is_refused(corpus, tmp_path):
    staged = (
        *SHORT, *WSD, "data/mixture=stages", "data.mixture.stages.early.weights={code: 1, prose: 9}",
        "data.mixture.stages.late.weights={code: 1, prose: 1}", "data.mixture.until.early=0.5",
    )  # fmt: skip
    call_job(pretraining(corpus, tmp_path, "run", *staged, "budget.steps=10"))
    with pytest.raises(ValueError, match=r"with 20 steps data\.mixture gives the first 7 steps other rows"):
        call_job(pretraining(corpus, tmp_path, "run", *staged, "budget.steps=20", "run.extend=true"))


def test_a_longer_warm_up_than_the_run_had_is_said(corpus, tmp_path, capsys):
    warm = (*SHORT, "schedule.warmup=0.2")
    call_job(pretraining(corpus, tmp_path, "run", *warm, "budget.steps=10"))
    call_job(pretraining(corpus, tmp_path, "run", *warm, "budget.steps=20", "run.extend=true"))
    assert "continues at step 7; the warm-up was that of 10 steps" in capsys.readouterr().out
    call_job(pretraining(corpus, tmp_path, "whole", *SHORT, "schedule.warmup=0.1", "budget.steps=20"))
    assert_same_end(tmp_path / "pretrain" / "run", tmp_path / "pretrain" / "whole")


REFUSED = {
    "a shorter budget": (["budget.steps=5"], r"budget\.steps: 10 → 5 is shorter: 5 instead of 10 steps"),
    "another rate": (["optimizer.learning_rate=1"], r"nothing else, but these differ:\n  optimizer\.learning_rate:"),
    "other batches": (["budget.batch_tokens=128"], r"these differ:\n  budget\.batch_tokens: 64 → 128"),
    "another seed": (["seed=5"], r"these differ:\n  seed: 0 → 5\n.*lm pretrain model=checkpoint model\.path="),
    "no run of that name": (["run.name=other"], r"there is no run .*pretrain/other to extend; check run\.name"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("dry_run", ["true", "false"])
def test_only_a_longer_budget_extends(case, dry_run, shorter, corpus):
    overrides, message = REFUSED[case]
    before = (shorter / "pretrain/run/manifest.json").read_bytes()
    with pytest.raises(ValueError, match=message):
        call_job(extending(corpus, shorter, *overrides, f"dry_run={dry_run}"))
    assert (shorter / "pretrain/run/manifest.json").read_bytes() == before
    assert not (shorter / "pretrain" / "other").exists()


def test_a_plan_of_an_extension_says_where_it_continues(shorter, corpus, capsys):
    call_job(extending(corpus, shorter, "dry_run=true"))
    assert re.search(r"continues +7 +steps are done of 20", capsys.readouterr().out)


def test_a_longer_budget_without_extend_is_refused_as_before(shorter, corpus):
    with pytest.raises(ValueError, match=r"exists with another config:\n  budget\.steps: 10 → 20\n.*run\.extend=true"):
        call_job(extending(corpus, shorter, "run.extend=false"))


def test_restart_and_extend_exclude_each_other(corpus, tmp_path):
    with pytest.raises(ValueError, match=r"run\.restart=true removes the run that run\.extend=true would extend"):
        Run("pretrain", root=str(tmp_path), restart=True, extend=True)


def test_a_cosine_run_is_refused_with_the_command_that_starts_anew_from_its_weights(corpus, tmp_path):
    cosine = (*SHORT, "schedule=cosine")
    call_job(pretraining(corpus, tmp_path, "run", *cosine, "budget.steps=3"))
    assert not (tmp_path / "pretrain/run/checkpoints/stable.ckpt").exists()
    command = r"cosine cannot.*lm pretrain model=checkpoint model\.path=.*/run model\.which=last run\.name=NAME"
    with pytest.raises(ValueError, match=command):
        call_job(pretraining(corpus, tmp_path, "run", *cosine, "budget.steps=6", "run.extend=true"))
    assert read_manifest(tmp_path / "pretrain" / "run")["state"] == "complete"


def test_without_a_stable_checkpoint_a_decayed_run_is_refused(corpus, tmp_path):
    options = (*SHORT, *WSD, "callbacks.checkpoints.stable=false")
    call_job(pretraining(corpus, tmp_path, "run", *options, "budget.steps=5"))
    with pytest.raises(ValueError, match=r"there is no stable\.ckpt from before they fell"):
        call_job(pretraining(corpus, tmp_path, "run", *options, "budget.steps=10", "run.extend=true"))


def test_a_new_run_starts_from_the_stable_checkpoint(shorter, corpus, tmp_path, capsys):
    stable = shorter / "pretrain" / "run"
    call_job(continuing(stable, corpus, tmp_path, "model.which=stable"))
    assert "(stable, step 7, 448 tokens seen)" in capsys.readouterr().out
    assert read_manifest(tmp_path / "pretrain" / "more")["lineage"]["parent"]["which"] == "stable"
