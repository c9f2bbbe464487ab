"""Samples and replies are written at every validation, and neither they nor validation change training."""

import json
import re

import pytest
import torch

from lm.conversation import RecordedTemplate, TurnTemplate
from lm.corpus import Split, openings
from support.talks import conversation_of
from support.training_runs import composed, make_corpus, of_seconds, pretraining, run

PROMPTS = ["alpha", "beta g"]
MESSAGES = ["alpha beta?", "word " * 40]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs of the same 12 steps with samples, without samples, and without validation."""
    root = tmp_path_factory.mktemp("runs")
    corpus = make_corpus(root / "corpus")
    sampling = ("callbacks=default", "callbacks.samples.max_tokens=8", f"callbacks.samples.prompts={PROMPTS}")
    assert run(pretraining(corpus, root, "sampled", *sampling)) == 0
    assert run(pretraining(corpus, root, "quiet")) == 0
    assert run(pretraining(corpus, root, "unmeasured", "validations=0")) == 0
    assert run(pretraining(corpus, root, "opened", *sampling[:-1], "validations=1")) == 0
    return root / "pretrain"


def weights(directory) -> dict[str, torch.Tensor]:
    return torch.load(directory / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


@pytest.mark.parametrize("other", ["quiet", "unmeasured"])
def test_sampling_and_validation_change_no_later_step(other, runs):
    sampled, without = weights(runs / "sampled"), weights(runs / other)
    assert all(torch.equal(value, without[name]) for name, value in sampled.items())


def test_every_prompt_is_continued_at_every_validation(runs):
    text = (runs / "sampled" / "samples.txt").read_text()
    blocks = re.findall(r"^── step (\d+) ──\n(alpha|beta g)", text, re.MULTILINE)
    assert blocks == [(str(step), prompt) for step in (4, 8, 12) for prompt in PROMPTS]


def test_without_prompts_nothing_is_written(runs):
    assert not (runs / "quiet" / "samples.txt").exists()


def test_by_default_the_openings_of_held_out_documents_are_continued(runs):
    text = (runs / "opened" / "samples.txt").read_text()
    found = openings(str(runs.parent / "corpus"))
    assert found
    blocks = re.findall(r"^── step 12 ──\n(.*)", text, re.MULTILINE)
    assert len(blocks) == len(found)
    assert all(block.startswith(opening) for block, opening in zip(blocks, found, strict=True))


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """A pretrained model, tuned with replies and without."""
    root = tmp_path_factory.mktemp("runs")
    corpus = make_corpus(root / "corpus")
    assert run(pretraining(corpus, root, "first", "budget.steps=1", "validations=1")) == 0
    records = [{"prompt": f"alpha {number}?", "completion": "beta gamma" * (number % 3 + 1)} for number in range(80)]
    (root / "talk.jsonl").write_text("\n".join(map(json.dumps, records)))
    common = [one for one in of_seconds(corpus, root, "") if not one.startswith(("model", "data.", "run.name"))]
    common += [
        f"model.path={root}/pretrain/first",
        "data/conversations=completions",
        f"data.conversations.path={root}/talk.jsonl",
        "conversation@data.template=chatml",
        "data.split.share=0.2",
        "validations=2",
        "budget.steps=4",
    ]
    seen = ("callbacks=replies", "callbacks.samples.max_tokens=6", f"callbacks.samples.prompts={MESSAGES}")
    for name, more in (("seen", seen), ("quiet", ())):
        assert run(composed("instruct", *common, f"run.name={name}", *more)) == 0
    assert (
        run(composed("instruct", *common, "run.name=asked", "callbacks=replies", "callbacks.samples.max_tokens=2")) == 0
    )
    again = [one for one in common if not one.startswith(("model.path", "conversation@"))]
    assert (
        run(composed("instruct", *again, "run.name=again", "budget.steps=1", f"model.path={root}/instruct/quiet")) == 0
    )
    return root / "instruct"


def test_every_prompt_gets_a_reply_or_a_note_that_it_is_too_long_at_every_validation(tuned):
    text = (tuned / "seen" / "samples.txt").read_text()
    blocks = re.findall(r"^── step (\d+) ──\nuser   (.*)\nmodel  ([^─]*)\n\n", text, re.MULTILINE)
    assert [(step, prompt) for step, prompt, _ in blocks] == [(s, p) for s in ("2", "4") for p in MESSAGES]
    for _, prompt, reply in blocks:
        end = r"\(\d+ tokens do not fit the context of 32\)" if prompt == MESSAGES[1] else r"( ▪| … \(did not end .*\))"
        assert re.search(f"{end}$", reply)


def test_by_default_held_out_questions_are_answered(tuned):
    text = (tuned / "asked" / "samples.txt").read_text()
    asked = re.findall(r"^── step 2 ──\nuser   (.*)\n", text, re.MULTILINE)
    split = Split(0.2)
    talks = [conversation_of(("user", f"alpha {n}?"), ("assistant", "beta gamma" * (n % 3 + 1))) for n in range(80)]
    held_out = [talk.messages[0].content for talk in talks if split.held_out(talk)]
    assert len(asked) == 4
    assert set(asked) <= set(held_out)


def test_replies_change_no_later_step(tuned):
    one, other = (
        torch.load(tuned / name / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for name in ("seen", "quiet")
    )
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_a_run_records_its_template_and_further_tuning_uses_it(tuned):
    first, again = (json.loads((tuned / name / "conversation.json").read_text()) for name in ("quiet", "again"))
    assert first == again
    assert isinstance(RecordedTemplate(str(tuned / "again")).resolve(None), TurnTemplate)
    manifest = json.loads((tuned / "again" / "manifest.json").read_text())
    assert "conversation.json" in manifest["outputs"]
    assert manifest["result"]["left_out"]["conversations"]["dropped"] == 0
