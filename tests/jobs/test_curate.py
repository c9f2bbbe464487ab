"""`lm curate` writes conversations to train on, an outcome for each, and an interval of the gain."""

import json

import pytest

from lm.cli.call import call_job
from lm.conversation import Conversation, Message
from lm.conversation.sources import DetectedLayout, MessageLists
from lm.corpus import Split
from lm.report import confidence_interval, curation_table, curation_verdict
from support.training_runs import composed, make_corpus, pretraining, run

SPLIT = Split(0.2)


def write(path, records) -> None:
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))


def records(count: int) -> list[dict]:
    made = []
    for number in range(count):
        question, answer = f"What is {number} and {number % 7}?", f"It is {number + number % 7}, I think."
        made.append({"instruction": question, "output": answer, "kind": "sums" if number % 3 else "words"})
    made[2]["output"] = "As an AI, I do not add."  # none of these three is held out by its text
    made[5] = made[4]
    made[9]["output"] = " "
    return made


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("curate")
    write(root / "talks.jsonl", records(60))
    return root


def config(place, name: str, *overrides: str) -> dict:
    given = [f"conversations.path={place}/talks.jsonl", "conversations.task_field=kind", "split.share=0.2"]
    return composed("curate", f"run.root={place}", f"run.name={name}", *given, *overrides)


@pytest.fixture(scope="module")
def chosen(place):
    call_job(config(place, "few", "keep=10", "per_task=equal"))
    return place / "curate" / "few"


def lines(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_conversation_has_one_outcome_and_the_counts_add_up(place, chosen):
    outcomes = [each | {"place": each["place"].removeprefix(f"{place}/")} for each in lines(chosen / "outcomes.jsonl")]
    assert [each["place"] for each in outcomes] == [f"talks.jsonl:{number}" for number in range(1, 61)]
    by_place = {each["place"]: each for each in outcomes}
    held_out = {
        f"talks.jsonl:{number}"
        for number, each in enumerate(records(60), start=1)
        if SPLIT.held_out(Conversation((Message("user", each["instruction"]), Message("assistant", each["output"]))))
    }
    held_out.discard("talks.jsonl:10")  # an invalid conversation is not held out either
    assert {place for place, each in by_place.items() if each["outcome"] == "held out"} == held_out
    planted = {"talks.jsonl:3": "boilerplate", "talks.jsonl:6": "duplicates", "talks.jsonl:10": "faulty"}
    for where, outcome in planted.items():
        assert by_place[where]["outcome"] == outcome
    assert {place for place, each in by_place.items() if "reason" in each} == planted.keys()
    assert sum(each["outcome"] == "chosen" for each in outcomes) == 10
    by_task = [each["task"] for each in outcomes if each["outcome"] == "chosen"]
    assert by_task.count("sums") == by_task.count("words") == 5
    result = json.loads((chosen / "curation.json").read_text())
    assert result["conversations"] == 60
    assert result["held_out"] == len(held_out)
    assert sum(found["conversations"] for found in result["tasks"].values()) == 60 - len(held_out) - 1
    table = curation_table(result).splitlines()
    assert table[0].split() == ["rule", "removed", "left", "first", "example"]
    assert [line.split()[:3] for line in table if line.startswith("faulty")] == [["faulty", "1", "59"]]
    assert any(line.split()[:4] == ["the", "answer", "is", "empty"] and "talks.jsonl:10" in line for line in table)
    alone = next(line for line in table if line.startswith("boilerplate"))
    left = 59 - len(held_out)
    assert alone.split()[:3] == ["boilerplate", "1", f"{left - 1}"]
    assert alone.endswith("talks.jsonl:3: as an ai")
    counts = [line.split() for line in table if line.startswith("(not chosen)")]
    assert counts == [["(not", "chosen)", f"{left - 2 - 10}", "10"]], "what was removed adds up"


def test_a_hint_of_the_reader_names_the_key_of_this_job(place, capsys):
    said = {"messages": [{"role": "User", "content": "hi"}, {"role": "Assistant", "content": "ho"}]}
    write(place / "roles.jsonl", [said] * 20)
    path = f"conversations.path={place}/roles.jsonl"
    with pytest.raises(ValueError, match=r"name its role: \+conversations\.roles\.User=user \+conversations\.roles\."):
        call_job(config(place, "roles", path, "conversations.task_field=null"))
    named = ["+conversations.roles.User=user", "+conversations.roles.Assistant=assistant"]
    result = call_job(config(place, "roles", path, "conversations.task_field=null", "~rules.duplicates", *named))
    assert result["notes"] == ["read as messages"]
    write(place / "empty.jsonl", [said | {"messages": said["messages"][:1]}] * 3)
    with pytest.raises(
        ValueError, match=r"3 of 3 conversations cannot be trained .*data/conversations@conversations=mess"
    ):
        call_job(
            config(place, "empty", f"conversations.path={place}/empty.jsonl", "conversations.task_field=null", *named)
        )


def test_tools_marks_and_thoughts_go_through_the_selection_into_training(place):
    tool = {"type": "function", "function": {"name": "add"}}
    talks = [
        {
            "messages": [
                {"role": "user", "content": f"{number}?"},
                {"role": "assistant", "content": "wrong", "train": False},
                {"role": "user", "content": "No."},
                {"role": "assistant", "content": f"It is {number}.", "thinking": "Hm."},
            ],
            "tools": [tool],
        }
        for number in range(12)
    ]
    write(place / "marked.jsonl", talks)
    path = f"conversations.path={place}/marked.jsonl"
    thoughts = "conversations.reasoning=separate"
    call_job(config(place, "marked", path, "conversations.task_field=null", "keep=5", thoughts))
    read = list(DetectedLayout(str(place / "curate" / "marked" / "conversations.jsonl"), reasoning="separate"))
    assert len(read) >= 5
    for talk in read:
        assert talk.tools == (tool,)
        assert [turn.supervised for turn in talk.messages] == [True, False, True, True]
        assert [turn.reasoning for turn in talk.messages] == ["", "", "", "Hm."]


def test_written_conversations_are_unchanged_and_split_as_before(chosen):
    read = list(DetectedLayout(str(chosen / "conversations.jsonl"), task_field="task"))
    original = {each["instruction"]: each for each in records(60)}
    for each in read:
        question, answer = (turn.content for turn in each.messages)
        assert original[question]["output"] == answer
        assert original[question]["kind"] == each.task
    outcomes = [each["outcome"] for each in lines(chosen / "conversations.jsonl")]
    assert [SPLIT.held_out(each) for each in read] == [outcome == "held out" for outcome in outcomes]
    assert outcomes.count("chosen") == 10
    assert "held out" in outcomes


def test_groups_are_held_out_together_in_training_too(place):
    write(place / "pairs.jsonl", [each | {"text": number // 2} for number, each in enumerate(records(60))])
    grouped = [f"conversations.path={place}/pairs.jsonl", "conversations.group_field=text"]
    made = config(place, "pairs", "data/conversations@conversations=alpaca", "keep=10", *grouped)
    call_job(made)
    written = place / "curate" / "pairs" / "conversations.jsonl"
    read = MessageLists(str(written), group_field=made["instruct"]["data"]["conversations"]["group_field"])
    outcomes = [each["outcome"] for each in lines(written)]
    assert [SPLIT.held_out(each) for each in read] == [outcome == "held out" for outcome in outcomes]
    assert "held out" in outcomes


def test_a_finished_run_does_nothing_and_another_config_needs_another_run(place, chosen, capsys):
    call_job(config(place, "few", "keep=10", "per_task=equal"))
    assert "nothing to do" in capsys.readouterr().out
    with pytest.raises(ValueError, match="exists with another config"):
        call_job(config(place, "few", "keep=11", "per_task=equal"))


def test_rules_are_added_and_removed_by_name(place):
    call_job(
        config(
            place,
            "rules",
            "~rules.boilerplate",
            "~rules.lengths",
            "+rule@rules.more=lengths",
            "rules.more.max_answer=5",
        )
    )
    outcomes = lines(place / "curate" / "rules" / "outcomes.jsonl")
    assert {each["outcome"] for each in outcomes} == {"held out", "faulty", "chosen", "more", "duplicates"}
    assert [each["reason"] for each in outcomes if each["outcome"] == "more"] == ["answer too long"]


def test_rules_that_no_conversation_passes_are_reported(place):
    with pytest.raises(ValueError, match="no conversation passes the rules"):
        call_job(config(place, "none", "rules.lengths.max_answer=1"))


def test_training_on_chosen_and_on_random_ones_is_compared(place, capsys):
    corpus = make_corpus(place / "corpus")
    assert run(pretraining(corpus, place, "base", "model.context=128")) == 0
    model = place / "pretrain" / "base"
    tiny = ["instruct.budget.batch_tokens=128", "instruct.budget.epochs=1", "instruct.compute.threads=1"]
    tiny += [f"instruct.model.path={model}", "instruct.validations=1"]
    tiny += ["instruct.trainer.accelerator=cpu", "instruct.trainer.devices=1"]
    difficult = [
        "difficulty=ifd",
        f"difficulty.model.path={model}",
        "difficulty.max_difficulty=null",
        "selection.pool=0.5",
    ]
    long = [
        {"instruction": f"Say {word}.", "output": f"{word} " * 100, "kind": "words"}
        for word in ("one", "two", "three", "four")
    ]
    write(place / "long.jsonl", records(20) + long)
    more = ["rule@fits=fits", f"fits.path={model}", f"conversations.path={place}/long.jsonl"]
    result = call_job(config(place, "learned", "keep=8", "train=true", "seeds=2", *tiny, *difficult, *more))
    learned = result["learned"]
    for arm in ("chosen", "random"):
        assert len(learned[arm]["values"]) == 2
    differences = [a - b for a, b in zip(learned["chosen"]["values"], learned["random"]["values"], strict=True)]
    assert learned["difference"]["values"] == pytest.approx(differences)
    files = sorted((place / "curate" / "learned" / "learned").glob("*.jsonl"))
    assert [file.stem for file in files] == [f"{arm}-seed-{n}" for arm in ("chosen", "random") for n in range(2)]
    held_out = [{each["place"] for each in lines(file) if each["outcome"] == "held out"} for file in files]
    drawn = [{each["place"] for each in lines(file) if each["outcome"] != "held out"} for file in files]
    assert held_out[0]
    assert all(each == held_out[0] for each in held_out)
    assert drawn[0] == drawn[1]
    assert drawn[2] != drawn[3]
    assert all(len(each) == 8 and not each & held_out[0] for each in drawn)
    output = capsys.readouterr().out
    assert "chosen − random" in output
    assert "longer than 128 tokens" not in output, (
        "conversations that do not fit are neither chosen, drawn nor held out"
    )
    assert output.index("longer than the context") < output.index("(held out)")
    outcomes = lines(place / "curate" / "learned" / "outcomes.jsonl")
    assert all("difficulty" in each for each in outcomes if each["outcome"] in ("chosen", "not chosen"))


@pytest.mark.parametrize(
    ("differences", "verdict"),
    [
        ([-0.1, -0.11, -0.09], "the selection teaches more"),
        ([0.1, 0.11, 0.09], "LESS"),
        ([-0.1, 0.1, 0.0], "within chance"),
        ([-0.1], "one seed"),
    ],
)
def test_the_verdict_goes_by_the_interval(differences, verdict):
    arm = confidence_interval([1.0] * len(differences)) | {"tokens": [5] * len(differences)}
    assert verdict in curation_verdict({"chosen": arm, "random": arm, "difference": confidence_interval(differences)})
    assert curation_verdict(None) == ""
