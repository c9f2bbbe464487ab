"""One function trains: it learns, starts from other runs, and gives the same results on any ranks and in sweeps."""

import csv
import os
import random
import re
import signal
import time
from pathlib import Path

import pytest
import torch
from lightning.fabric.loggers import tensorboard

from lm.cli.call import call_job
from lm.cli.main import main
from lm.corpus import Document, Split, write_shards
from lm.directory import Run
from lm.directory.manifest import read_manifest
from lm.process.distribution import install_command
from lm.tokenizer import train_bpe
from support.commands import Begun, lm
from support.training_runs import WORDS, Texts, composed, instruction, make_corpus, of_seconds, pretraining, run

EXACT = (
    "model.dropout=0.0",
    "compute.precision=64-true",
)  # ranks draw other dropout masks; fp64 shows what rounding is
TWO_RANKS = ("trainer=ddp", "trainer.accelerator=cpu")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def pretrained(corpus, tmp_path_factory):
    """A finished run, its root and its config."""
    root = tmp_path_factory.mktemp("pretrained")
    config = pretraining(corpus, root, "run")
    assert run(config) == 0
    return root / "pretrain" / "run", root, config


@pytest.fixture(scope="module")
def one_process(corpus, tmp_path_factory):
    root = tmp_path_factory.mktemp("one")
    assert run(pretraining(corpus, root, "run", *EXACT)) == 0
    return root / "pretrain" / "run"


PROXIES = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY"), "http://127.0.0.1:9")  # where nobody answers


def metrics(directory) -> list[dict[str, float]]:
    """What was logged, without what a clock decides."""
    with open(directory / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{k: float(v) for k, v in row.items() if v and "second" not in k} for row in rows]


def assert_close(directory, reference) -> None:
    found, expected = metrics(directory), metrics(reference)
    assert [row.keys() for row in found] == [row.keys() for row in expected]
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, rel=1e-9, abs=1e-12)


def weights(directory) -> dict[str, torch.Tensor]:
    return torch.load(directory / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


def test_a_tiny_corpus_is_memorised(tmp_path):
    draw = random.Random(0)
    texts = [Document(" ".join(draw.choices(WORDS, k=60)) + ".\n", f"{n}", kind="prose") for n in range(9)]
    tokenizer = train_bpe((text.text for text in texts), vocab_size=300)
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    write_shards(Texts(texts), corpus, tokenizer=tokenizer, split=Split(0.1), shard_tokens=10_000)
    tokenizer.save(corpus / "tokenizer.json")
    options = ("model.context=64", "model.dim=64", "model.dropout=0", "optimizer.learning_rate=1e-2")
    length = ("budget.steps=80", "budget.batch_tokens=512", "budget.rows_per_device=8", "validations=0")
    assert run(pretraining(corpus, tmp_path, "run", *options, *length)) == 0
    losses = [row["train/loss"] for row in metrics(tmp_path / "pretrain" / "run")]
    assert losses[0] > 5  # as good as guessing among 300
    assert max(losses[-5:]) < 0.1


def test_a_finished_run_has_nothing_to_do_and_returns_its_result(pretrained, capsys):
    directory, _, config = pretrained
    before = (directory / "checkpoints" / "last.ckpt").stat().st_mtime_ns
    result = call_job(config)
    assert capsys.readouterr().out == f"pretrain    nothing to do: {directory} is complete\n"
    assert result == read_manifest(directory)["result"]["validation/bits_per_byte"] > 0
    assert (directory / "checkpoints" / "last.ckpt").stat().st_mtime_ns == before


def test_another_config_under_the_same_name_is_refused(pretrained, corpus):
    _, root, _ = pretrained
    with pytest.raises(ValueError, match=r"exists with another config:\n  .*optimizer\.learning_rate: 0\.02 → 0\.001"):
        call_job(pretraining(corpus, root, "run", "optimizer.learning_rate=1e-3"))


def test_another_corpus_at_the_same_place_is_refused(tmp_path, capsys):
    config = pretraining(make_corpus(tmp_path / "corpus"), tmp_path, "run", "budget.steps=1")
    call_job(config)
    make_corpus(tmp_path / "corpus", count=130)
    with pytest.raises(ValueError, match=r"was made from other inputs: data \(\w+ → \w+\)"):
        call_job(config)


def test_the_result_is_the_last_validation(pretrained):
    directory, _, _ = pretrained
    last = metrics(directory)[-1]
    assert last.pop("step") == 12
    assert last == {k: v for k, v in read_manifest(directory)["result"].items() if k.startswith("validation/")}


def test_without_validation_a_run_ends_without_a_result(corpus, tmp_path, capsys):
    assert call_job(pretraining(corpus, tmp_path, "run", "validations=0", "budget.steps=2")) is None
    assert "pretrain    done in " in capsys.readouterr().out
    assert read_manifest(tmp_path / "pretrain" / "run")["state"] == "complete"


STAGES = (
    "data/mixture=stages",
    "data.mixture.stages.early.weights={code: 1, prose: 9}",
    "data.mixture.stages.late.weights={code: 1, prose: 1}",
    "data.mixture.until.early=0.5",
)


def test_a_mixture_is_printed_before_the_run_and_summarized_in_its_manifest(corpus, tmp_path, capsys):
    call_job(pretraining(corpus, tmp_path, "run", *STAGES, "validations=0"))
    printed = capsys.readouterr().out.splitlines()
    assert [re.sub(r"[\d.]+ epochs", "… epochs", line) for line in printed[1:3]] == [
        "pretrain    early, 48 rows: 8.3% code (… epochs), 91.7% prose (… epochs)",
        "pretrain    late, 48 rows: 50.0% code (… epochs), 50.0% prose (… epochs)",
    ]
    result = read_manifest(tmp_path / "pretrain" / "run")["result"]
    assert result.keys() >= {"sources", "stages"}
    for stage, wanted in {"early": 0.1, "late": 0.5}.items():
        code, prose = (result["stages"][stage][source] for source in ("code", "prose"))
        assert code["rows"] + prose["rows"] == 48
        assert (code["wanted"], prose["wanted"]) == (wanted, 1 - wanted)
        assert code["share"] == pytest.approx(wanted, abs=0.03)
    for source, found in result["sources"].items():
        assert found["rows"] == sum(stage[source]["rows"] for stage in result["stages"].values())


def test_show_prints_rows_and_trains_nothing(corpus, tmp_path, capsys):
    assert call_job(pretraining(corpus, tmp_path, "run", "show=1")) is None
    assert "alpha" in capsys.readouterr().out
    assert not (tmp_path / "pretrain" / "run" / "checkpoints").exists()


def test_instruction_tuning_starts_from_a_run_and_records_it(pretrained, tmp_path, capsys):
    directory, _, _ = pretrained
    config = instruction(directory, tmp_path, "tuned")
    call_job(config)
    tuned = tmp_path / "instruct" / "tuned"
    assert read_manifest(tuned)["inputs"]["model"] == Run.fingerprint(directory)
    assert (tuned / "model.json").read_bytes() == (directory / "model.json").read_bytes()
    losses = [row["train/loss"] for row in metrics(tuned) if "train/loss" in row]
    assert losses[-1] < losses[0] < 6
    capsys.readouterr()
    call_job(config)
    assert "nothing to do" in capsys.readouterr().out


def test_training_conversations_are_refused_as_evaluation_questions(pretrained, tmp_path):
    call_job(instruction(pretrained[0], tmp_path, "tuned", "data.split.share=0.3"))
    tuned, file = tmp_path / "instruct" / "tuned", tmp_path / "conversations.jsonl"
    answers = "evaluations.answers"
    options = ["evaluation@evaluations=answers", f"data/conversations@{answers}.conversations=messages"]
    keys = [f"{answers}.conversations.path={file}", f"{answers}.max_tokens=2", f"run.root={tmp_path}"]
    asked = ["evaluate", f"model.path={tuned}", *options, *keys]
    with pytest.raises(ValueError, match=r"answers\.split\.share=0\.5 includes data that .*tuned was trained.*=0\.3"):
        call_job(composed(*asked, f"{answers}.split.share=0.5"))
    assert call_job(composed(*asked, f"{answers}.split.share=0.3"))["answers"]["all"]["questions"]


def test_resuming_a_tuning_after_its_model_changed_is_refused(corpus, tmp_path):
    first = pretraining(corpus, tmp_path, "model", "budget.steps=1", "validations=0")
    call_job(first)
    tuning = instruction(tmp_path / "pretrain" / "model", tmp_path, "tuned", "budget.steps=1", "validations=0")
    call_job(tuning)
    call_job(pretraining(corpus, tmp_path, "model", "budget.steps=2", "validations=0", "run.restart=true"))
    with pytest.raises(ValueError, match=r"was made from other inputs: model \(\w+ → \w+\)"):
        call_job(tuning)


def test_an_unfinished_run_cannot_be_tuned(corpus, tmp_path):
    killer = "+callbacks.killer={_target_: support.killers.KillAfterBatch, batches: 20}"
    assert run(pretraining(corpus, tmp_path, "run", killer)) == -signal.SIGKILL
    with pytest.raises(ValueError, match=r"run .* is not finished: run the command that started it again to resume it"):
        call_job(instruction(tmp_path / "pretrain" / "run", tmp_path, "tuned"))


def test_a_logger_without_its_package_names_the_extra(corpus, tmp_path, capsys, monkeypatch):
    for name in ("_TENSORBOARD_AVAILABLE", "_TENSORBOARDX_AVAILABLE"):
        monkeypatch.setattr(tensorboard, name, False)
    with pytest.raises(SystemExit, match="2"):
        main(["pretrain", *of_seconds(corpus, tmp_path, "run", "logger=tensorboard")])
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert printed.endswith(f"; {install_command('tensorboard')}\n")
    assert len(printed.splitlines()) == 1


@pytest.fixture(scope="module")
def swept(corpus, tmp_path_factory):
    """A sweep over seeds, every run of it on two ranks."""
    root = tmp_path_factory.mktemp("swept")
    done = lm("pretrain", "-m", "seed=0,1", *of_seconds(corpus, root, "run", *EXACT, *TWO_RANKS), **PROXIES)
    assert done.returncode == 0, done.stderr
    directories = [path for path in (root / "pretrain" / "run").iterdir() if path.is_dir()]
    return {read_manifest(path)["config"]["seed"]: path for path in directories}, done


def test_two_ranks_learn_what_one_process_learns(swept, one_process):
    directories, _ = swept
    assert_close(directories[0], one_process)


def test_a_sweep_on_several_ranks_gives_each_run_its_own_seed(swept):
    directories, _ = swept
    assert sorted(directories) == [0, 1]
    assert all(read_manifest(path)["state"] == "complete" for path in directories.values())
    one, other = (weights(directory) for directory in directories.values())
    assert not any(torch.equal(one[name], other[name]) for name in one if one[name].ndim == 2)


def test_only_one_rank_prints(swept):
    _, done = swept
    printed, summary = done.stdout.split("\n\n", 1)
    lines = printed.splitlines()
    assert [line.split()[0] for line in lines] == ["sweep", "pretrain", "pretrain"] * 2
    assert summary.count("value  job") == summary.count("sweep       2 jobs") == 1
    assert ["2 × cpu" in line for line in lines] == [False, True, False] * 2
    assert ["→" in line for line in lines] == [False, False, True] * 2
    assert done.stderr == ""


@pytest.fixture(scope="module")
def grown(corpus, tmp_path_factory):
    """A run of one process, killed and resumed on two ranks, with another logger."""
    root = tmp_path_factory.mktemp("grown")
    killer = "+callbacks.killer={_target_: support.killers.KillAfterBatch, batches: 21}"
    assert run(pretraining(corpus, root, "run", *EXACT, killer)) == -signal.SIGKILL
    more = ("budget.rows_per_device=4", "logger=wandb")
    done = lm("pretrain", *of_seconds(corpus, root, "run", *EXACT, *TWO_RANKS, *more), **PROXIES)
    assert done.returncode == 0, done.stderr
    return root / "pretrain" / "run", done


def launching(corpus, root) -> tuple[Begun, int]:
    """A run on two ranks at the moment when it has started the second, and the process of that one."""
    process = Begun("pretrain", *of_seconds(corpus, root, "run", *EXACT, *TWO_RANKS, "trainer.devices=2"))
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        pytest.skip("needs Linux, which tells children")
    while process.poll() is None and not children.read_text():
        time.sleep(0.05)
    return process, int(children.read_text().split()[0])


def test_a_signal_while_the_other_rank_is_being_started_ends_in_words(corpus, tmp_path):
    """Lightning kills a job one of whose ranks has died, and a rank that still imports torch knows no handler."""
    process, _ = launching(corpus, tmp_path)
    os.killpg(process.pid, signal.SIGTERM)
    ended = process.ended()
    assert ended.returncode == 128 + signal.SIGTERM, ended.stderr
    words = "(saved at step 1 of 12|before the first step|interrupted); run the same command again to resume"
    assert re.search(words, ended.stderr)


@pytest.mark.parametrize("seconds", [0, 4])
def test_a_rank_does_not_outlive_the_killed_process_that_launched_it(seconds, corpus, tmp_path):
    process, child = launching(corpus, tmp_path)
    time.sleep(seconds)
    process.kill()
    for _ in range(400):
        if not Path(f"/proc/{child}").exists() or "\nState:\tZ" in Path(f"/proc/{child}/status").read_text():
            return
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    pytest.fail("it goes on alone")


def test_a_run_resumes_with_another_number_of_ranks_bit_for_bit(grown, one_process):
    directory, done = grown
    assert f"resuming from {directory}/checkpoints/last.ckpt" in done.stdout
    assert_close(directory, one_process)
    for name, value in weights(one_process).items():
        torch.testing.assert_close(weights(directory)[name], value, rtol=1e-9, atol=1e-9)
    assert read_manifest(directory)["state"] == "complete"


def test_wandb_keeps_an_offline_run_in_the_run_directory(grown):
    directory, done = grown
    assert len(list((directory / "wandb").glob("offline-run-*/*.wandb"))) == 1
    others = [line for line in done.stdout.splitlines() if not line.startswith("pretrain ")]
    assert all("wandb" in line for line in [*others, *done.stderr.splitlines()]), done
