"""`lm export` writes a tuned model that other programs open, prompt and end as we do."""

import json
from pathlib import Path

import pytest
import torch

from lm.checkpoint import RunModel
from lm.cli.call import call_job
from lm.conversation import Message, RecordedTemplate
from lm.generation import Generator, Sampling
from lm.interchange import load_model
from lm.tokenizer import load_tokenizer
from support.llama_cpp import LlamaCpp
from support.shared_texts import DATA, needs_data
from support.training_runs import composed

pytest.importorskip("gguf", reason="needs the package gguf: pip install 'lightning-lm[gguf]'")


def export(model: Path, root: Path, *overrides: str) -> Path:
    call_job(composed("export", f"model.path={model}", f"run.root={root}", *overrides))
    return root / "export" / "default"


def test_llama_cpp_chats_with_an_exported_model_as_we_do(tuned, tmp_path, capsys):
    folder = export(tuned, tmp_path, "format=gguf", "format.kind=f32")
    llama = LlamaCpp(folder / "model.gguf")
    tokenizer, template = load_tokenizer(tuned), RecordedTemplate(str(tuned)).resolve(None)
    turns = [("user", "a?"), ("assistant", "b"), ("user", "é\n?")]
    prompt = template.prompt([Message(*turn) for turn in turns], tokenizer)
    text = llama.render([{"role": role, "content": content} for role, content in turns])
    assert llama.encode(text, special=True, begin=True) == prompt
    ours = Generator(load_model(str(tuned)), tokenizer).generate(
        [prompt],
        sampling=Sampling(temperature=0),
        max_tokens=8,
        stop_tokens=template.stop_tokens(tokenizer),
    )[0]
    assert llama.generate(prompt, 8)["tokens"] == ours.tokens
    manifest = json.loads((folder / "manifest.json").read_text())
    assert "an apostrophe followed by ſ" in manifest["result"]["notes"][0]
    capsys.readouterr()
    export(tuned, tmp_path, "format=gguf", "format.kind=f32")
    assert "nothing to do" in capsys.readouterr().out


@needs_data
def test_llama_cpp_continues_a_published_model_to_the_letter(tmp_path):
    source = DATA / "stories260K" / "hf"
    folder = export(source, tmp_path, "format=gguf", "format.kind=f32")
    llama, tokenizer = LlamaCpp(folder / "model.gguf"), load_tokenizer(source)
    story = (source / "greedy.txt").read_text()
    assert llama.encode("Once upon\na time <s>", begin=True) == [1, *tokenizer.encode("Once upon\na time <s>")]
    continued = llama.generate("", len(tokenizer.encode(story)))["content"]
    assert continued == f" {story}"  # llama.cpp keeps the blank before a text


def test_safetensors_are_a_model_path_with_the_same_weights_template_and_tokens_seen(tuned, tmp_path):
    folder = export(tuned, tmp_path, "format=safetensors")
    expected, found = RunModel(str(tuned)).build().state_dict(), RunModel(str(folder)).build().state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(weight, expected[name]) for name, weight in found.items())
    templates = [RecordedTemplate(str(each)).resolve(None).describe() for each in (tuned, folder)]
    assert templates[0] == templates[1]
    before, after = RunModel(str(tuned)).parent(), RunModel(str(folder)).parent()
    assert (after["step"], after["tokens_seen"]) == (before["step"], before["tokens_seen"])
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"model.safetensors is damaged .*write it again with lm export"):
        RunModel(str(folder)).build()
