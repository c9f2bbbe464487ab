"""A published model goes through every job: read, trained further, tuned, aligned, measured, written again."""

import gzip
import json
import math
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

from lm.cli.call import call_job
from lm.corpus import Split, write_shards
from lm.directory.manifest import read_manifest
from lm.interchange import load_model
from lm.tokenizer import load_tokenizer
from support.shared_texts import DATA, needs_data
from support.small_models import publish
from support.training_runs import Texts, composed, documents, instruction

STORIES = DATA / "stories260K" / "hf"
TRAINING = ["compute=exact", "compute.threads=1", "callbacks=quiet", "trainer=cpu", "validations=1"]
STEPS = ["budget=steps", "budget.steps=2", "budget.batch_tokens=128"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return publish(tmp_path_factory.mktemp("published"))


@pytest.fixture
def corpus(folder, tmp_path) -> Path:
    source, tokenizer = Texts(documents()), load_tokenizer(folder)
    (tmp_path / "corpus").mkdir()
    write_shards(source, tmp_path / "corpus", tokenizer=tokenizer, split=Split(0.1), shard_tokens=10_000)
    tokenizer.save(tmp_path / "corpus" / "tokenizer.json")
    return tmp_path / "corpus"


def test_a_published_model_is_trained_further_tuned_measured_and_written_again(folder, corpus, tmp_path, capsys):
    root, base = f"run.root={tmp_path}", f"model.path={folder}"
    call_job(
        composed("pretrain", root, "run.name=more", "model=huggingface", base, f"data.path={corpus}", *TRAINING, *STEPS)
    )
    assert f"weights of {folder} (LlamaForCausalLM), fresh optimizer state" in capsys.readouterr().out
    assert read_manifest(tmp_path / "pretrain/more")["lineage"]["parent"]["run"] == str(folder)

    call_job(instruction(folder, tmp_path, "tuned", "model/adapter=lora"))
    assert f"weights of {folder} (LlamaForCausalLM)" in capsys.readouterr().out

    tuned = tmp_path / "instruct/tuned"
    call_job(composed("export", root, "run.name=tuned", f"model.path={tuned}", "format.dtype=float32"))
    exported = tmp_path / "export/tuned"
    ours, theirs = load_model(str(tuned)), load_model(str(exported))
    tokens = torch.arange(40)[None]
    with torch.no_grad():
        assert torch.equal(theirs(tokens), ours(tokens))

    pairs = [{"prompt": f"{n}?", "chosen": "alpha", "rejected": "beta no"} for n in range(30)]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, pairs)))
    chosen = f"data.preferences.path={tmp_path}/pairs.jsonl"
    call_job(composed("align", root, "run.name=aligned", f"model.path={exported}", chosen, *TRAINING, *STEPS))
    assert f"weights of {exported} (LlamaForCausalLM)" in capsys.readouterr().out

    for model in (folder, exported, tmp_path / "align/aligned"):
        call_job(composed("generate", f"model.path={model}", "prompt=alpha", "max_tokens=3"))
        assert capsys.readouterr().out.startswith("alpha")
    call_job(composed("chat", f"model.path={exported}", "message=alpha?", "max_tokens=3", f"beside={tuned}"))
    first, second = (line.split("  ", 1)[1].strip() for line in capsys.readouterr().out.splitlines()[-2:])
    assert first == second
    call_job(composed("evaluate", root, f"model.path={folder}", f"evaluations.bits.path={corpus}"))
    assert "bits per byte" in capsys.readouterr().out


@needs_data
def test_a_real_model_generates_its_reference_text_to_the_letter(capsys):
    greedy = ["prompt=", "sampling.temperature=0", "max_tokens=255"]
    call_job(composed("generate", f"model.path={STORIES}", *greedy))
    assert capsys.readouterr().out.rstrip("\n") == (STORIES / "greedy.txt").read_text().rstrip("\n")


@needs_data
def test_a_real_model_has_its_published_loss():
    with gzip.open(DATA / "tinystories" / "tinystories_2MiB.txt.gz", "rt", encoding="utf-8") as file:
        stories = file.read(60_000).split("<|endoftext|>")[:50]
    tokenizer, model = load_tokenizer(STORIES), load_model(str(STORIES))
    losses = []
    for text in stories:
        tokens = torch.tensor([tokenizer.beginning, *tokenizer.encode(text.strip())][: model.context])
        with torch.no_grad():
            losses.append(cross_entropy(model(tokens[None, :-1])[0], tokens[1:], reduction="none"))
    assert math.isclose(float(torch.cat(losses).mean()), 1.247, abs_tol=0.02)
