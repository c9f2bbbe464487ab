"""The documented layout of a run directory is the one that runs have."""

from pathlib import Path

from lm.cli.call import call_job
from lm.directory import layout
from support.training_runs import instruction, make_corpus, pretraining

PAGE = Path(layout.__file__).with_name("README.md")


def test_every_file_of_a_training_run_is_documented(tmp_path):
    corpus = make_corpus(tmp_path / "corpus")
    call_job(pretraining(corpus, tmp_path, "run", "budget.steps=2", "callbacks=default", "validations=1"))
    call_job(instruction(tmp_path / "pretrain/run", tmp_path, "tuned", "budget.steps=1"))
    files = {path.name for job in ("pretrain", "instruct") for path in (tmp_path / job).rglob("*") if path.is_file()}
    assert {"model.json", "conversation.json", "samples.txt", "last.ckpt", "best.ckpt"} <= files
    for text in (layout.__doc__, PAGE.read_text(encoding="utf-8")):
        text = text.replace("{last,best,stable}.ckpt", "last.ckpt best.ckpt stable.ckpt")
        assert [name for name in sorted(files) if name not in text] == []
