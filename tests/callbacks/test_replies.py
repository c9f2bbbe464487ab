"""What is replied to fixed prompts is written at every validation, in the run's own template, and changes nothing."""

import json
import re

import pytest
import torch

from lm.conversation import Recorded, Turns
from support.training_runs import composed, make_corpus, of_seconds, pretraining, run

PROMPTS = ["alpha beta?", "word " * 40]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A pretrained model, tuned with and without looking at replies."""
    root = tmp_path_factory.mktemp("runs")
    corpus = make_corpus(root / "corpus")
    assert run(pretraining(corpus, root, "first", "budget.steps=1", "validations=1")) == 0
    said = [{"prompt": f"alpha {number}?", "completion": "beta gamma" * (number % 3 + 1)} for number in range(80)]
    (root / "talk.jsonl").write_text("\n".join(map(json.dumps, said)))
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
    seen = ("callbacks=replies", "callbacks.samples.max_tokens=6", f"callbacks.samples.prompts={PROMPTS}")
    for name, more in (("seen", seen), ("quiet", ())):
        assert run(composed("instruct", *common, f"run.name={name}", *more)) == 0
    again = [one for one in common if not one.startswith(("model.path", "conversation@"))]
    assert (
        run(composed("instruct", *again, "run.name=again", "budget.steps=1", f"model.path={root}/instruct/quiet")) == 0
    )
    return root / "instruct"


def test_every_prompt_is_replied_to_at_every_validation_or_said_to_be_too_long(runs):
    text = (runs / "seen" / "samples.txt").read_text()
    blocks = re.findall(r"^── step (\d+) ──\nuser   (.*)\nmodel  ([^─]*)\n\n", text, re.MULTILINE)
    assert [(step, prompt) for step, prompt, _ in blocks] == [(s, p) for s in ("2", "4") for p in PROMPTS]
    for _, prompt, reply in blocks:
        end = r"\(takes \d+ tokens, and the context is 32\)" if prompt == PROMPTS[1] else r"( ▪| … \(did not end .*\))"
        assert re.search(f"{end}$", reply)


def test_replies_change_no_later_step(runs):
    one, other = (
        torch.load(runs / name / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for name in ("seen", "quiet")
    )
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_a_run_records_its_template_and_tuning_again_takes_it(runs):
    first, again = (json.loads((runs / name / "conversation.json").read_text()) for name in ("quiet", "again"))
    assert first == again
    assert isinstance(Recorded(str(runs / "again")).resolve(None), Turns)
    manifest = json.loads((runs / "again" / "manifest.json").read_text())
    assert "conversation.json" in manifest["outputs"]
    assert manifest["result"]["left_out"]["conversations"]["dropped"] == 0
