"""lm-evaluation-harness, asking the server, finds the scores that it finds in the model itself."""

import pytest

from lm.evaluation import Harness
from lm.evaluation.harness.evaluation import offline
from support.asked import written
from support.serving import TOKENIZER, serving
from support.small_models import small_model

library = pytest.importorskip("lm_eval", reason="lm-eval is an extra: pip install 'lightning-lm[harness]'")
pytest.importorskip("aiohttp", reason="lm-eval asks a server by aiohttp: pip install 'lm-eval[api]'")

COMMON = """
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}}}}}
test_split: test
"""
TASKS = {
    "choice": """
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: gold
metric_list: [{{metric: acc}}, {{metric: acc_norm}}]
""",
    "rolling": """
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{{{question}}}}"
metric_list: [{{metric: bits_per_byte}}, {{metric: word_perplexity}}]
""",
    "reply": """
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "x"
generation_kwargs: {{until: ["e"], max_gen_toks: 6, do_sample: false}}
metric_list: [{{metric: exact_match}}]
""",
}
ROWS = [
    {"question": f"{first} {second}", "choices": [f"{third} é", "mat", "no"], "gold": number % 3}
    for number, (first, second, third) in enumerate(
        (one, two, three) for one in ("cat", "dog") for two in ("sat", "ran") for three in ("red", "yes")
    )
]


def test_the_scores_are_those_of_the_native_evaluation(tmp_path):
    file = written(tmp_path / "items.jsonl", ROWS)
    folder = tmp_path / "tasks"
    folder.mkdir()
    for name, text in TASKS.items():
        (folder / f"{name}.yaml").write_text(f"task: {name}" + (COMMON + text).format(file=file))
    model = small_model(TOKENIZER)
    native = Harness([*TASKS], include_path=str(folder))(model, TOKENIZER)
    with serving(model=model) as server, offline(True):
        manager = library.tasks.TaskManager(include_path=str(folder), include_defaults=False)
        arguments = (
            f"model=base,base_url={server.server.url}/v1/completions,num_concurrent=4,max_length={model.context}"
        )
        asked = library.simple_evaluate(
            model="local-completions", model_args=arguments, tasks=[*TASKS], task_manager=manager, bootstrap_iters=0
        )
    for name in TASKS:
        expected = {key: each["value"] for key, each in native["tasks"][name]["metrics"].items()}
        found = {key.partition(",")[0]: value for key, value in asked["results"][name].items()}
        assert {key: found[key] for key in expected} == pytest.approx(expected, rel=1e-5)
        own = {each["id"]: each["responses"] for each in native["items"] if each["task"] == name}
        theirs = {
            f"{name} {each['doc_id']} {each['filter']}": each["filtered_resps"] for each in asked["samples"][name]
        }
        assert own.keys() == theirs.keys()
        if name == "reply":
            assert own == theirs
            assert len({*map(str, own.values())}) > 1
