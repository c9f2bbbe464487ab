"""A mistake that a stage finds is told by the keys of the pipeline."""

import re

import pytest

from lm.jobs.stage_errors import in_keys_of_pipeline

TOLD = [
    ("tokenizer", "corpus.path my.txt does not exist", "text my.txt does not exist"),
    ("tokenizer", "split it with corpus.separator or corpus.part_size", "split it with corpus.corpus.separator or "
     "corpus.corpus.part_size"),
    ("corpus", "hold out nothing with split.share=0", "hold out nothing with corpus.split.share=0"),
    ("tokenizer", "hold out nothing with split.share=0", "hold out nothing with corpus.split.share=0"),
    ("tokenizer", "a.jsonl holds records: read it with corpus=jsonl",
     "a.jsonl holds records: read it with corpus@corpus.corpus=jsonl"),
    ("instruct", "conversations.path a.jsonl does not exist", "conversations a.jsonl does not exist"),
    ("instruct", "choose data/conversations=messages, as data.conversations.roles={}",
     "choose data/conversations@instruct.data.conversations=messages, as instruct.data.conversations.roles={}"),
    ("instruct", "set data.too_long=drop or split", "set instruct.data.too_long=drop or split"),
    ("pretrain", "run x exists:\n  budget.tokens: 1 → 2\nset run.name to another, or run.restart=true",
     "run x exists:\n  pretrain.budget.tokens: 1 → 2\nset name to another, or restart=true"),
    ("alignment", "preferences: preferences.path p.jsonl does not exist", "preferences: preferences p.jsonl does not "
     "exist"),
    ("instruct", "p.jsonl has no prompt: name it as preferences.prompt_field=FIELD, in preferences.jsonl",
     "p.jsonl has no prompt: name it as alignment.data.preferences.prompt_field=FIELD, in preferences.jsonl"),
    ("alignment", "set objective=kto for these data, or data=preference with pairs",
     "set objective@alignment.objective=kto for these data, or data@alignment.data=preference with pairs"),
    ("pretrain", "out/model.safetensors and model.safetensors and data.json are damaged", None),
]  # fmt: skip


@pytest.mark.parametrize(("stage", "message", "told"), TOLD)
def test_keys_begin_as_in_the_pipeline(stage, message, told):
    def fail():
        raise ValueError(message)

    with pytest.raises(ValueError, match=rf"\A{re.escape(told or message)}\Z"):
        in_keys_of_pipeline(stage, fail, text="my.txt", conversations="a.jsonl", preferences="p.jsonl")


def test_without_the_users_own_files_paths_have_full_keys():
    def fail():
        raise ValueError("corpus.path a and data.conversations.path b and conversations.path c")

    full = "instruct.data.conversations.path"
    with pytest.raises(ValueError, match=rf"\Ainstruct.corpus.path a and {full} b and {full} c\Z"):
        in_keys_of_pipeline("instruct", fail, text=None, conversations=None)
