"""Answers that validation has generated and scored are the samples of a run; nothing is generated again."""

from types import SimpleNamespace

from lm.callbacks import Replies


def test_scored_answers_are_appended_to_the_samples(tmp_path):
    rows = SimpleNamespace(prompts=["1 + 1 ="])
    trainer = SimpleNamespace(
        is_global_zero=True,
        default_root_dir=str(tmp_path),
        global_step=7,
        datamodule=SimpleNamespace(data_plan=SimpleNamespace(rows=rows)),
    )
    module = SimpleNamespace(replies=["user   1 + 1 =\ngreedy 2  [reward 1]"])  # without a model to generate with
    for _ in range(2):
        Replies(prompts=None).on_validation_end(trainer, module)
    expected = "── step 7 ──\nuser   1 + 1 =\ngreedy 2  [reward 1]\n\n"
    assert (tmp_path / "samples.txt").read_text(encoding="utf-8") == 2 * expected
