"""A few seed tasks grow into many that are unlike each other, whoever writes, and an ended run goes on to the same."""

import json
import random
from itertools import combinations

import pytest

from lm.bootstrap import Known
from lm.cli.call import call_job
from lm.conversation.sources.question_files import QuestionFiles
from support.answering import endpoint, said
from support.training_runs import composed, make_corpus, pretraining, run

SEEDS = [
    {"instruction": f"{verb} the {thing}.", "instances": [{"input": thing, "output": verb}], "is_classification": kind}
    for verb, thing, kind in [
        ("Name", "colour of the sky", False),
        ("FilterPhase", "mood of a line", True),
        ("Count", "letters in words", False),
        ("Sort", "numbers by size", False),
        ("Decide", "spam or not of mails", True),
        ("Translate", "greeting into French", False),
        ("Explain", "tides of the sea", False),
    ]
]
WORDS = ["amber", "birch", "cedar", "delta", "ember", "fjord", "glade", "heath", "islet", "jetty", "knoll", "marsh"]


def writing(asked: dict) -> dict:
    """A writer that follows what it is asked, if not always; what it says follows from the seed."""
    prompt, draw = asked["prompt"], random.Random(asked["seed"])
    if prompt.endswith("labels:"):
        return said(" yes\nTask: more" if "mood" in prompt.rpartition("Task:")[2] else " no", chat=False)
    if prompt.endswith(("Input:", "Label:")):
        mark = "\nInput:" if prompt.endswith("Label:") else "\nOutput:"
        if draw.random() < 0.1:
            return said(" nothing of the kind", chat=False)
        return said(f" {draw.choice(WORDS)}{mark} {draw.choice(WORDS)}s\n\nTask: next", chat=False)
    first = int(prompt.rpartition("\n")[2].rstrip("."))
    lines = [f"Tell {' '.join(draw.sample(WORDS, 3))} to {' '.join(draw.sample(WORDS, 3))}" for _ in range(4)]
    lines[draw.randrange(4)] += " mood"
    lines += ["Sort the numbers by size.", "Draw a picture of it.", "No"]
    return said("\n".join(f"{first + n}. {line}" for n, line in enumerate(lines)), chat=False, reason="length")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("bootstrap")
    (root / "seeds.jsonl").write_text("".join(f"{json.dumps(seed)}\n" for seed in SEEDS))
    return root


def config(place, name: str, path: str, *overrides: str) -> dict:
    writer = ["writer@rounds.writer=endpoint", f"rounds.writer.path={path}", "rounds.writer.chat=false"]
    quick = ["rounds.writer.wait=0.01", "rounds.writer.tries=1", "rounds.prompts_a_round=2", "tasks=15"]
    priced = ["rounds.writer.price_read=1.0", "rounds.writer.price_written=2.0"]
    return composed(
        "bootstrap", f"run.root={place}", f"run.name={name}", f"path={place}/seeds.jsonl", *writer, *quick, *priced,
        *overrides,
    )  # fmt: skip


@pytest.fixture(scope="module")
def grown(place):
    with endpoint(writing) as (path, asked):
        result = call_job(config(place, "whole", path))
    return place / "bootstrap" / "whole", result, asked


def lines(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_there_are_as_many_as_were_asked_for_and_no_two_alike(grown):
    tasks = lines(grown[0] / "tasks.jsonl")
    assert len(tasks) == 15
    texts = [each["instruction"] for each in [*SEEDS, *tasks]]
    for one, other in combinations(texts, 2):
        known = Known()
        known.add(one)
        assert known.most_alike(other) <= 0.7
    kinds = [each["is_classification"] for each in tasks]
    assert kinds == ["mood" in each["instruction"] for each in tasks]
    assert any(kinds)
    assert all(each["instances"] and each["instances"][0]["output"].strip() for each in tasks)


def test_what_was_asked_is_counted_priced_and_what_was_refused_is_told(grown):
    directory, result, asked = grown
    assert result["asked"] == len(asked)
    assert (result["read"], result["written"]) == (100 * len(asked), 10 * len(asked))
    assert result["cost"] == pytest.approx(len(asked) * (100 * 1.0 + 10 * 2.0) / 1e6)
    assert {"like one before", "beyond text"} <= result["dropped"].keys()
    assert "too short" not in result["dropped"]  # the last line was cut off, and is no task at all
    assert json.loads((directory / "bootstrap.json").read_text()) == result


def test_what_was_grown_is_instruction_data(grown):
    talks = list(QuestionFiles(str(grown[0] / "tasks.jsonl"), instances_field="instances"))
    assert len(talks) >= 15
    assert all(talk.messages[0].content.startswith("Tell ") for talk in talks)


@pytest.mark.parametrize("after", [1, 9, 20])
def test_one_whose_endpoint_fails_goes_on_to_the_same_and_pays_for_no_round_twice(after, place, grown):
    left = [after]

    def failing(asked: dict):
        left[0] -= 1
        return (503, "over") if left[0] < 0 else writing(asked)

    with endpoint(failing) as (path, _):
        with pytest.raises(ValueError, match="1 times: nothing is lost, the same command goes on"):
            call_job(config(place, f"failed-{after}", path))
        kept = lines(place / "bootstrap" / f"failed-{after}" / "rounds.jsonl") if after > 15 else []
        left[0] = 10**9
        call_job(config(place, f"failed-{after}", path))
    directory = place / "bootstrap" / f"failed-{after}"
    assert (directory / "tasks.jsonl").read_bytes() == (grown[0] / "tasks.jsonl").read_bytes()
    assert lines(directory / "rounds.jsonl") == lines(grown[0] / "rounds.jsonl")
    assert lines(directory / "rounds.jsonl")[: len(kept)] == kept


def test_it_ends_when_the_money_is_spent_or_nothing_new_comes(place):
    with endpoint(writing) as (path, _):
        result = call_job(config(place, "poor", path, "most_cost=0.0001", "tasks=1000"))
        assert result["ended"] == "0.00 of most_cost=0.0001 is spent"
        assert 0 < result["tasks"] < 1000
    with endpoint(lambda asked: said("9. Sort the numbers by size.", chat=False)) as (path, asked):
        with pytest.raises(ValueError, match="3 rounds brought nothing new, and nothing was kept:\n3 rounds"):
            call_job(config(place, "stuck", path, "patience=3"))
        assert len(asked) == 6


def test_seeds_that_are_none_are_told_with_their_line(place):
    (place / "bad.jsonl").write_text('{"instruction": "x", "instances": [{"input": "", "output": " "}]}\n')
    with pytest.raises(ValueError, match=r"bad.jsonl:1: an instance has no text as output"):
        call_job(config(place, "bad", "http://127.0.0.1:9/v1") | {"path": str(place / "bad.jsonl")})


def test_a_model_of_ours_writes_too(place):
    """One of seconds knows nothing: it is asked, what it says is refused, and that is told."""
    assert (
        run(pretraining(make_corpus(place / "corpus"), place, "base", "model.context=512", "budget.batch_tokens=1024"))
        == 0
    )
    model = f"rounds.writer.model.path={place}/pretrain/base"
    small = ["rounds.prompts_a_round=2", "rounds.examples=2", "rounds.of_seeds=2", "patience=1", "rounds.max_tokens=20"]
    given = [f"run.root={place}", "run.name=ours", f"path={place}/seeds.jsonl", "rounds.new_tasks=1", model]
    with pytest.raises(ValueError, match="1 rounds brought nothing new, and nothing was kept:\n1 rounds, 2 requests"):
        call_job(composed("bootstrap", *given, *small))
