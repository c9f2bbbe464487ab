"""Benchmarks side by side with lm-evaluation-harness: the same weights, files and threads, scores and seconds.

    python -m venv harness && harness/bin/pip install torch 'lm-eval[hf]'
    OMP_NUM_THREADS=1 python tests/benchmark/harness.py --python harness/bin/python

The model is a Llama in a Hugging Face folder, by default stories260K of the shared data; both sides read its weights
and its tokenizer through `transformers`. Items are local files. The script fails where a score differs in the third
decimal.
"""

import argparse
import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import yaml
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from lm.config.build import build
from lm.evaluation.join import harness as harness_join
from lm.model import Attention, SwiGLU, Transformer
from model.test_other_implementation import hugging_face_name
from support.shared_texts import DATA
from support.training_runs import composed

LETTERS = "{{ question.strip() }}\n{% for text in [A, B, C, D] %}{{ 'ABCD'[loop.index0] }}. {{ text }}\n{% endfor %}"
NUMBERS = {"regexes_to_ignore": [",", "\\$", "(?s).*#### ", "\\.$"], "ignore_case": True}


def choice(text: str, choices: object, target: object) -> dict:
    metrics = [{"metric": name} for name in ("acc", "acc_norm", "acc_bytes", "acc_mutual_info")]
    return {
        "output_type": "multiple_choice",
        "doc_to_text": text,
        "doc_to_choice": choices,
        "doc_to_target": target,
        "metric_list": metrics,
    }


# Ours, its file, and the harness's task.
TASKS = {
    "blimp": ("blimp/wh_island.jsonl.gz", choice("", "{{[sentence_good, sentence_bad]}}", 0)),
    "arc_easy": ("llmfoundry_eval/arc_easy.jsonl.gz", choice("{{query}}\nAnswer:", "choices", "gold")),
    "copa": ("llmfoundry_eval/copa.jsonl", choice("{{query}}", "choices", "gold")),
    "openbook_qa": ("llmfoundry_eval/openbook_qa.jsonl", choice("{{query}}", "choices", "gold")),
    "boolq": ("llmfoundry_eval/boolq.jsonl.gz", choice("{{query}}", "choices", "gold")),
    "mmlu": ("mmlu/high_school_biology_test.csv", choice(LETTERS + "Answer:", "{{['A','B','C','D']}}", "answer")),
    "hellaswag": (
        "hellaswag/val_dev_200.jsonl",
        choice("{{activity_label ~ ': ' ~ ctx_a ~ ' ' ~ ctx_b.capitalize()}}", "{{endings}}", "label"),
    ),
    "wsc": (
        "llmfoundry_eval/winograd_wsc.jsonl",
        {**choice("gold", "context_options", "continuation"), "metric_list": [{"metric": "acc"}]},
    ),
    "lambada": (
        "llmfoundry_eval/jeopardy_all.jsonl",  # as clozes
        {
            "output_type": "loglikelihood",
            "doc_to_text": "{{context}}",
            "doc_to_target": " {{continuation}}",
            "metric_list": [{"metric": "perplexity"}, {"metric": "acc"}],
        },
    ),
    "gsm8k": (
        "gsm8k/train.jsonl.gz",
        {
            "output_type": "generate_until",
            "doc_to_text": "Question: {{question}}\nAnswer:",
            "doc_to_target": "{{answer}}",
            "generation_kwargs": {"until": ["Question:"], "do_sample": False, "max_gen_toks": 40},
            "metric_list": [{"metric": "exact_match", **NUMBERS}],
            "filter_list": [
                {
                    "name": "flexible-extract",
                    "filter": [
                        {"function": "regex", "group_select": -1, "regex_pattern": "(-?[$0-9.,]{2,})|(-?[0-9]+)"},
                        {"function": "take_first"},
                    ],
                }
            ],
        },
    ),
}
NAMES = {
    "acc": "accuracy",
    "acc_norm": "per_character",
    "acc_bytes": "per_byte",
    "acc_mutual_info": "unconditional",
    "perplexity": "perplexity",
    "exact_match": "flexible",
}
TOKENS = {"boolq": 60, "gsm8k": 40}  # items of the long ones


class Tokenizer:
    """The part of a tokenizer that evaluations use, over one of `transformers`."""

    def __init__(self, folder: str):
        from transformers import AutoTokenizer

        self.theirs = AutoTokenizer.from_pretrained(folder)
        self.vocab_size, self.beginning = len(self.theirs), self.theirs.bos_token_id
        self.end_of_document, self.ends = self.theirs.eos_token_id, [self.theirs.eos_token_id]

    def encode(self, text: str) -> list[int]:
        return self.theirs.encode(text, add_special_tokens=False)

    def decode_bytes(self, ids, after=None) -> bytes:
        whole = self.theirs.decode([*([after] if after is not None else []), *ids])
        before = self.theirs.decode([after]) if after is not None else ""
        return whole[len(before) :].encode()


def read_model(folder: str) -> Transformer:
    """Our model with the weights of a Llama of `transformers`."""
    from transformers import AutoModelForCausalLM

    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    config = theirs.config
    model = Transformer(
        vocab_size=config.vocab_size,
        context=config.max_position_embeddings,
        dim=config.hidden_size,
        layers=config.num_hidden_layers,
        attention=partial(Attention, heads=config.num_attention_heads, key_value_heads=config.num_key_value_heads),
        feedforward=partial(SwiGLU, hidden=config.intermediate_size),
        norm=partial(nn.RMSNorm, eps=config.rms_norm_eps),
        tie_embeddings=config.tie_word_embeddings,
    )
    weights = theirs.state_dict()
    model.load_state_dict({name: weights[hugging_face_name(name)] for name in model.state_dict()})
    return model.eval()


def ours(name: str, path: Path, model: Transformer, tokenizer: Tokenizer, limit: int | None) -> tuple[dict, float]:
    words = [f"evaluation@evaluations={name}", "model.path=x", f"evaluations.{name}.path={path}"]
    node = composed("evaluate", *words)["evaluations"][name]
    node |= {"max_items": limit, "chat": False}
    node["recorded"]["path"] = None
    node["shots"]["count"] = 0
    if "unconditional" in node["question"]:
        node["question"]["unconditional"] = True
    if name == "hellaswag":  # the harness's own cleaning is Python
        node["question"] |= {"prompt": "{{ activity_label ~ ': ' ~ ctx_a ~ ' ' ~ ctx_b.capitalize() }}"}
        node["question"]["choices"] = "{{ endings }}"
    if name == "gsm8k":
        node["question"]["max_tokens"] = 40
    task = build(node)
    object.__setattr__(task.layout, "join", harness_join)
    begin = time.perf_counter()
    results = task(model, tokenizer)
    return {metric: found["value"] for metric, found in results["metrics"].items()}, time.perf_counter() - begin


HARNESS = """
import json, sys, time
from importlib import import_module
import torch
lm_eval, tasks_of = import_module("lm_eval"), import_module("lm_eval.tasks")
HFLM, TaskManager = import_module("lm_eval.models.huggingface").HFLM, tasks_of.TaskManager
torch.set_num_threads(1)
folder, places, names = sys.argv[1], sys.argv[2], sys.argv[3].split(",")
model = HFLM(pretrained=folder, device="cpu", dtype="float32", batch_size=16)
manager, found = TaskManager(include_path=places, include_defaults=False), {}
for name in names:
    begin = time.perf_counter()
    result = lm_eval.simple_evaluate(model, tasks=[name], task_manager=manager, bootstrap_iters=0)
    found[name] = [result["results"][name], time.perf_counter() - begin]
print("FOUND" + json.dumps(found, default=str))
"""


def theirs(python: str, folder: str, places: Path, names: list[str]) -> dict:
    command = [python, "-c", HARNESS, folder, str(places), ",".join(names)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    line = next((line for line in ended.stdout.splitlines() if line.startswith("FOUND")), None)
    if line is None:
        sys.exit(ended.stderr[-4000:])
    return json.loads(line.removeprefix("FOUND"))


def written(name: str, source: Path, folder: Path, limit: int | None) -> Path:
    """The items as JSON Lines, which both sides read."""
    from lm.evaluation import ItemReader

    rows = [item.fields for item in ItemReader().read(str(source), key="evaluation.path")][:limit]
    for row in rows:
        if name in ("mmlu", "hellaswag"):
            key = "answer" if name == "mmlu" else "label"
            row[key] = int(row[key])
    file = folder / f"{name}.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True, help="a Python that has lm-eval")
    parser.add_argument("--model", default=str(DATA / "stories260K" / "hf"))
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--tasks", default=",".join(TASKS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    names, worst = options.tasks.split(","), 0.0
    model, tokenizer = read_model(options.model), Tokenizer(options.model)
    with TemporaryDirectory() as place:
        files = {}
        for name in names:
            source, task = TASKS[name]
            files[name] = written(name, DATA / source, Path(place), TOKENS.get(name, options.items))
            data = {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(files[name])}}}
            described = {"task": f"here_{name}", **data, "test_split": "test", "num_fewshot": 0, **task}
            (Path(place) / f"{name}.yaml").write_text(yaml.safe_dump(described))
        found = theirs(options.python, options.model, Path(place), [f"here_{name}" for name in names])
        print(f"{'task':<12} {'metric':<14} {'lm-eval':>9} {'lm':>9}   seconds: lm-eval, lm, ratio")
        for name in names:
            scores, seconds = found[f"here_{name}"]
            mine, own = ours(name, files[name], model, tokenizer, None)
            for key, value in scores.items():
                metric = NAMES.get(key.partition(",")[0])
                if metric is None or not isinstance(value, float):
                    continue
                relative = abs(mine[metric] - value) / (abs(value) if metric == "perplexity" else 1)
                worst = max(worst, relative)
                spent = f"{seconds:8.2f} {own:7.2f} {seconds / own:5.1f}×" if metric in ("accuracy", "flexible") else ""
                print(f"{name:<12} {metric:<14} {value:>9.4g} {mine[metric]:>9.4g}   {spent}")
    if worst > 5e-4:
        sys.exit(f"a score differs by {worst:.4f}")
    print(f"the largest difference is {worst:.1e}")


if __name__ == "__main__":
    main()
