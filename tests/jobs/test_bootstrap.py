"""A few seed tasks grow into many distinct ones, with any writer, and a killed run resumes to the same result."""

import json
import random
from itertools import combinations

import pytest

from lm.bootstrap import RougeIndex
from lm.cli.call import call_job
from lm.conversation.sources import QuestionAnswers
from support.answering import endpoint, reply
from support.training_runs import composed, make_corpus, pretraining, run

SEEDS = [
    {"instruction": f"{verb} the {thing}.", "instances": [{"input": thing, "output": verb}], "is_classification": kind}
    for verb, thing, kind in [
        ("Name", "colour of the sky", False),
        ("Judge", "mood of a line", True),
        ("Count", "letters in words", False),
        ("Sort", "numbers by size", False),
        ("Decide", "spam or not of mails", True),
        ("Translate", "greeting into French", False),
        ("Explain", "tides of the sea", False),
    ]
]
WORDS = ["amber", "birch", "cedar", "delta", "ember", "fjord", "glade", "heath", "islet", "jetty", "knoll", "marsh"]


def write(request: dict) -> dict:
    """A writer that mostly follows the prompt; its reply follows from the seed."""
    prompt, draw = request["prompt"], random.Random(request["seed"])
    if prompt.endswith("labels:"):
        return reply(" yes\nTask: more" if "mood" in prompt.rpartition("Task:")[2] else " no", chat=False)
    if prompt.endswith(("Input:", "Label:")):
        mark = "\nInput:" if prompt.endswith("Label:") else "\nOutput:"
        if draw.random() < 0.1:
            return reply(" nothing of the kind", chat=False)
        return reply(f" {draw.choice(WORDS)}{mark} {draw.choice(WORDS)}s\n\nTask: next", chat=False)
    first = int(prompt.rpartition("\n")[2].rstrip("."))
    lines = [f"Tell {' '.join(draw.sample(WORDS, 3))} to {' '.join(draw.sample(WORDS, 3))}" for _ in range(4)]
    lines[draw.randrange(4)] += " mood"
    lines += ["Sort the numbers by size.", "Draw a picture of it.", "No"]
    return reply("\n".join(f"{first + n}. {line}" for n, line in enumerate(lines)), chat=False, reason="length")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("bootstrap")
    (root / "seeds.jsonl").write_text("".join(f"{json.dumps(seed)}\n" for seed in SEEDS))
    return root


def config(place, name: str, url: str, *overrides: str) -> dict:
    writer = ["writer@rounds.writer=endpoint", f"rounds.writer.base_url={url}", "rounds.writer.chat=false"]
    quick = ["rounds.writer.backoff=0.01", "rounds.writer.attempts=1", "rounds.prompts_per_round=2", "tasks=15"]
    priced = ["rounds.writer.input_price=1.0", "rounds.writer.output_price=2.0"]
    return composed(
        "bootstrap", f"run.root={place}", f"run.name={name}", f"path={place}/seeds.jsonl", *writer, *quick, *priced,
        *overrides,
    )  # fmt: skip


@pytest.fixture(scope="module")
def grown(place):
    with endpoint(write) as (url, requests):
        result = call_job(config(place, "whole", url))
    return place / "bootstrap" / "whole", result, requests


def lines(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_as_many_tasks_are_written_as_requested_and_no_two_are_similar(grown):
    tasks = lines(grown[0] / "tasks.jsonl")
    assert len(tasks) == 15
    texts = [each["instruction"] for each in [*SEEDS, *tasks]]
    for one, other in combinations(texts, 2):
        index = RougeIndex()
        index.add(one)
        assert index.max_similarity(other) <= 0.7
    kinds = [each["is_classification"] for each in tasks]
    assert kinds == ["mood" in each["instruction"] for each in tasks]
    assert any(kinds)
    assert all(each["instances"] and each["instances"][0]["output"].strip() for each in tasks)


def test_requests_are_counted_and_priced_and_drops_are_reported(grown):
    directory, result, requests = grown
    assert result["asked"] == len(requests)
    assert (result["read"], result["written"]) == (100 * len(requests), 10 * len(requests))
    assert result["cost"] == pytest.approx(len(requests) * (100 * 1.0 + 10 * 2.0) / 1e6)
    assert {"like one before", "beyond text"} <= result["dropped"].keys()
    assert "too short" not in result["dropped"]  # the last line was truncated, and is not a task
    assert json.loads((directory / "bootstrap.json").read_text()) == result


def test_the_result_is_instruction_data(grown):
    talks = list(QuestionAnswers(str(grown[0] / "tasks.jsonl"), instances_field="instances"))
    assert len(talks) >= 15
    assert all(talk.messages[0].content.startswith("Tell ") for talk in talks)


def test_no_file_of_a_run_and_nothing_printed_holds_the_key(place, monkeypatch, capsys):
    key = "sk-SECRET-1234"
    monkeypatch.setenv("OPENAI_API_KEY", key)

    def leaky(request: dict) -> dict:
        answer = write(request)
        answer["choices"][0]["text"] = answer["choices"][0]["text"].replace("Tell", f"Tell {key}")
        return answer

    with endpoint(leaky) as (url, requests):
        call_job(config(place, "keyed", url, "tasks=3"))
    assert {each["key"] for each in requests} == {f"Bearer {key}"}
    files = [path for path in (place / "bootstrap" / "keyed").rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if key.encode() in path.read_bytes()]
    assert key not in str(capsys.readouterr())
    assert "[OPENAI_API_KEY]" in (place / "bootstrap" / "keyed" / "tasks.jsonl").read_text()


@pytest.mark.parametrize("after", [1, 9, 20])
def test_a_run_whose_endpoint_fails_resumes_to_the_same_result_and_pays_for_no_round_twice(after, place, grown):
    left = [after]

    def failing(request: dict):
        left[0] -= 1
        return (503, "over") if left[0] < 0 else write(request)

    with endpoint(failing) as (url, _):
        with pytest.raises(ValueError, match="1 times: nothing is lost; run the same command again to resume"):
            call_job(config(place, f"failed-{after}", url))
        kept = lines(place / "bootstrap" / f"failed-{after}" / "rounds.jsonl") if after > 15 else []
        left[0] = 10**9
        call_job(config(place, f"failed-{after}", url))
    directory = place / "bootstrap" / f"failed-{after}"
    assert (directory / "tasks.jsonl").read_bytes() == (grown[0] / "tasks.jsonl").read_bytes()
    assert lines(directory / "rounds.jsonl") == lines(grown[0] / "rounds.jsonl")
    assert lines(directory / "rounds.jsonl")[: len(kept)] == kept


def test_a_run_ends_when_the_money_is_spent_or_nothing_new_is_written(place):
    with endpoint(write) as (url, _):
        result = call_job(config(place, "poor", url, "max_cost=0.0001", "tasks=1000"))
        assert result["ended"] == "0.00 of max_cost=0.0001 is spent"
        assert 0 < result["tasks"] < 1000
    with endpoint(lambda request: reply("9. Sort the numbers by size.", chat=False)) as (url, requests):
        with pytest.raises(ValueError, match="3 rounds brought nothing new, and nothing was kept:\n3 rounds"):
            call_job(config(place, "stuck", url, "patience=3"))
        assert len(requests) == 6


def test_a_malformed_seed_task_is_reported_with_its_line(place):
    (place / "bad.jsonl").write_text('{"instruction": "x", "instances": [{"input": "", "output": " "}]}\n')
    with pytest.raises(ValueError, match=r"bad.jsonl:1: input and output of an instance must be texts"):
        call_job(config(place, "bad", "http://127.0.0.1:9/v1") | {"path": str(place / "bad.jsonl")})


def test_a_trained_model_can_be_the_writer(place):
    """A model trained for seconds writes nothing useful: everything is dropped and reported."""
    assert (
        run(pretraining(make_corpus(place / "corpus"), place, "base", "model.context=512", "budget.batch_tokens=1024"))
        == 0
    )
    model = f"rounds.writer.model.path={place}/pretrain/base"
    small = [
        "rounds.prompts_per_round=2",
        "rounds.examples=2",
        "rounds.seed_examples=2",
        "patience=1",
        "rounds.max_tokens=20",
    ]
    given = [f"run.root={place}", "run.name=ours", f"path={place}/seeds.jsonl", "rounds.new_tasks=1", model]
    with pytest.raises(
        ValueError, match=r"1 rounds brought nothing new, and nothing was kept:\n1 rounds, [0-9] requests"
    ):
        call_job(composed("bootstrap", *given, *small))
