"""A key that is given chooses the option that reads it."""

from pathlib import Path

import pytest

from lm.config.command import examine_command, faults_of
from lm.config.composition import Composition
from lm.config.implied import implied
from lm.config.outline import config_directory, outline

CONF = config_directory()
TEXT, CONVERSATIONS = "corpus@corpus.corpus", "data/conversations@instruct.data.conversations"


def node(*overrides: str) -> dict:
    found, faults = examine_command(Composition("pipeline", directory=CONF), overrides, multirun=False)
    assert faults == []
    return found


def faults(*overrides: str) -> list[str]:
    return [*map(str, faults_of(Composition("pipeline", directory=CONF), overrides, multirun=False))]


def test_a_text_of_the_users_own_is_read_by_both_stages() -> None:
    found = node("text='books/*.txt'", "corpus.corpus.part_size=500")
    assert found["text"] == found["corpus"]["corpus"]["path"] == "books/*.txt"
    assert found["corpus"]["corpus"]["_target_"] == "lm.sources.own_text"
    assert found["tokenizer"]["corpus"] == found["corpus"]["corpus"]
    assert found["corpus"]["corpus"]["part_size"] == 500
    assert "_when_" not in found


def test_conversations_of_the_users_own_are_learned_and_asked() -> None:
    found = node("conversations=[a.jsonl,b.jsonl]")
    given = found["instruct"]["data"]["conversations"]
    assert (given["_target_"], given["path"]) == ("lm.conversation.sources.DetectedLayout", ["a.jsonl", "b.jsonl"])
    assert found["evaluate_answers"]["evaluations"]["answers"]["conversations"] == given
    assert found["corpus"]["corpus"]["_target_"] == "lm.sources.PythonSource"


def test_without_the_keys_nothing_changes() -> None:
    assert node("text=null") == node()
    assert node()["corpus"]["corpus"]["_target_"] == "lm.sources.PythonSource"


def test_the_name_of_an_option_chooses_it_and_another_reader_takes_the_path() -> None:
    assert node("conversations=python")["instruct"]["data"]["conversations"]["recall"] == 0.2
    found = node("text=my.jsonl", f"{TEXT}=jsonl")["corpus"]["corpus"]
    assert (found["_target_"], found["path"]) == ("lm.sources.JsonlSource", "my.jsonl")


def test_an_experiment_may_give_the_key(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\n# mine\ntext: my.txt\n")
    composition = Composition("pipeline", directory=CONF, extra=tmp_path)
    found, wrong = examine_command(composition, ["experiment=mine"], multirun=False)
    assert wrong == []
    assert found["corpus"]["corpus"]["path"] == "my.txt"


def test_every_value_of_a_sweep_chooses() -> None:
    composition = Composition("pipeline", directory=CONF)
    wrong = faults_of(composition, ["text=a.txt,b.txt", "corpus.corpus.part_size=500"], multirun=True)
    assert wrong == []


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("text=a.txt", "corpus.corpus.path=b.txt"), "corpus.corpus.path: is what text sets too: leave one of them"),
        (("text=a.txt", f"{TEXT}=web"), "text: the option chosen for corpus.corpus has no path: leave text out"),
        (("text=a.txt", "corpus.corpus.separtor=x"), "own_text; did you mean separator?"),
        (("debug=nonsense",), "there is fast, overfit"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_line(overrides: tuple[str, ...], message: str) -> None:
    (fault,) = faults(*overrides)
    assert message in fault


def test_help_and_completion_know_the_option() -> None:
    found = outline("pipeline", [CONF], {"text": "my.txt"})
    assert found.groups[TEXT] == "own"
    assert "corpus.corpus.part_size" in found.settings
    assert outline("pipeline", [CONF], {"text": "null"}).groups[TEXT] == "python"


def test_a_file_with_the_name_of_an_option_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rules = {"text": [f"{TEXT}=own", "corpus.corpus.path=${text}"]}
    assert implied(rules, {"text": "python"}, lambda group: ["python"]) == [f"{TEXT}=python"]
    Path("python").touch()
    assert implied(rules, {"text": "python"}, lambda group: ["python"]) == rules["text"]
