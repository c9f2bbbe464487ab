"""lm-evaluation-harness runs its tasks over our models, offline, with the numbers of the native benchmarks."""

import json
import os
from ast import literal_eval

import pytest

from lm.conversation import RoleTokenTemplate
from lm.evaluation import Accuracy, Harness, MultipleChoice
from lm.evaluation.harness.evaluation import offline
from lm.evaluation.join import harness as harness_join
from lm.evaluation.metrics import per_character, total
from support.asked import network, task, tokenizer, written

CHOICE = """
task: mine
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: gold
metric_list: [{{metric: acc}}, {{metric: acc_norm}}]
"""
REPLY = """
task: replies
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{choices[gold]}}}}"
generation_kwargs: {{until: ["mat"], max_gen_toks: 6, do_sample: false}}
metric_list: [{{metric: exact_match}}]
"""
ROWS = [
    {"question": f"the {first} {second} the", "choices": [f"{third} house", "mat", "no dog"], "gold": number % 3}
    for number, (first, second, third) in enumerate(
        (one, two, three) for one in ("cat", "dog", "red") for two in ("sat on", "ran to") for three in ("red", "yes")
    )
]


@pytest.fixture
def folder(tmp_path):
    file = written(tmp_path / "items.jsonl", ROWS)
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "mine.yaml").write_text(CHOICE.format(file=file))
    (tmp_path / "tasks" / "replies.yaml").write_text(REPLY.format(file=file))
    return tmp_path


def installed() -> None:
    pytest.importorskip("lm_eval", reason="lm-eval is an extra: pip install 'lightning-lm[harness]'")


def test_scores_of_the_harness_are_those_of_the_native_benchmark(folder, monkeypatch):
    installed()
    monkeypatch.setenv("HF_HOME", str(folder / "cache"))
    measure = Harness(["mine", "replies"], include_path=str(folder / "tasks"))
    results = measure(network(), tokenizer())
    metrics = {"acc": Accuracy(total), "acc_norm": Accuracy(per_character)}
    question = MultipleChoice(prompt="{{ question }}", choices="{{ choices }}", gold="{{ gold }}", metrics=metrics)
    native = task(str(folder / "items.jsonl"), question, main="acc")
    object.__setattr__(native.layout, "join", harness_join)
    expected = native(network(), tokenizer())
    for name in metrics:
        found, own = results["tasks"]["mine"]["metrics"][name], expected["metrics"][name]
        assert found["value"] == pytest.approx(own["value"])
        assert found["stderr"] == pytest.approx(own["stderr"])
        assert found["interval"] == pytest.approx(own["interval"])
    assert results["spanning"] == expected["spanning"]
    assert results["tasks"]["replies"]["items"] == len(ROWS)
    assert len(results["items"]) == 2 * len(ROWS)
    assert "mine acc_norm" in measure.table(json.loads(json.dumps(results)))
    limited = Harness("mine", include_path=str(folder / "tasks"), max_items=5)(network(), tokenizer())
    assert limited["tasks"]["mine"]["items"] == 5
    with pytest.raises(ValueError, match=r"has no task nothing and .*tasks none either"):
        Harness("nothing", include_path=str(folder / "tasks"))(network(), tokenizer())


def test_prompts_are_turns_of_the_chat_template_as_in_the_native_benchmark(folder, monkeypatch):
    installed()
    monkeypatch.setenv("HF_HOME", str(folder / "cache"))
    chat = {"chat": True, "template": RoleTokenTemplate()}
    results = Harness("mine", include_path=str(folder / "tasks"), **chat)(network(), tokenizer())
    metrics = {"acc": Accuracy(total), "acc_norm": Accuracy(per_character)}
    question = MultipleChoice(prompt="{{ question }}", choices="{{ choices }}", gold="{{ gold }}", metrics=metrics)
    expected = task(str(folder / "items.jsonl"), question, main="acc", **chat)(network(), tokenizer())
    for name in metrics:
        assert results["tasks"]["mine"]["metrics"][name]["value"] == expected["metrics"][name]["value"]
    first = [literal_eval(each["responses"][0])[0] for each in results["items"]]
    assert first == pytest.approx([each["log_probabilities"][0] for each in expected["items"]], abs=1e-5)
    assert results["template"].endswith("RoleTokenTemplate")


def test_the_fingerprint_follows_the_tasks_and_the_files_that_they_name(folder, monkeypatch):
    monkeypatch.setattr("lm.evaluation.harness.evaluation.version", lambda _: "0.4.13")
    first = Harness("mine", include_path=str(folder / "tasks")).fingerprint()
    assert Harness("mine", include_path=str(folder / "tasks")).fingerprint() == first
    written(folder / "items.jsonl", ROWS[1:])
    second = Harness("mine", include_path=str(folder / "tasks")).fingerprint()
    (folder / "tasks" / "mine.yaml").write_text(CHOICE.replace("acc_norm", "acc_bytes").format(file="x.jsonl"))
    third = Harness("mine", include_path=str(folder / "tasks")).fingerprint()
    assert len({first, second, third}) == 3


def test_without_the_harness_the_command_that_installs_it_is_told(monkeypatch):
    from importlib.metadata import PackageNotFoundError

    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("lm.evaluation.harness.evaluation.version", missing)
    with pytest.raises(ValueError, match=r"evaluation=harness runs lm-evaluation-harness, .*pip install .*harness\]"):
        Harness("hellaswag").fingerprint()
    with pytest.raises(ValueError, match=r"evaluation\.include_path=nowhere: there is no such folder"):
        Harness("mine", include_path="nowhere")
    with pytest.raises(ValueError, match=r"evaluation\.tasks is empty"):
        Harness([])


def test_offline_holds_within_and_the_environment_is_restored(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.delenv("HF_DATASETS_OFFLINE", raising=False)
    with offline(True):
        assert os.environ["HF_HUB_OFFLINE"] == os.environ["HF_DATASETS_OFFLINE"] == "1"
    assert os.environ["HF_HUB_OFFLINE"] == "0"
    assert "HF_DATASETS_OFFLINE" not in os.environ
    with offline(False):
        assert os.environ["HF_HUB_OFFLINE"] == "0"
