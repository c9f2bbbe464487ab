"""Hub data sets are read from directories laid out like them, trees become conversations, and an id needs a commit."""

import json
import re
import socket

import pytest
from omegaconf import OmegaConf

from lm.config.outline import config_directory
from lm.config.target import locate
from lm.conversation import Message
from lm.conversation.sources import AlternatingTexts, DetectedLayout, MessageTrees, QuestionAnswers
from lm.conversation.sources.records import HubDataset

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FOLDER = config_directory() / "data" / "conversations"
READY = [file for file in sorted(FOLDER.glob("*.yaml")) if "/data/hub@hub" in file.read_text()]
HELLO = [Message("user", "hi"), Message("assistant", "ho")]
ROWS = {  # a row as each data set has it
    "tatsu_alpaca": {"instruction": "hi", "input": "", "output": "ho", "text": "Below …"},
    "databricks_dolly": {"instruction": "hi", "context": "", "response": "ho", "category": "open_qa"},
    "smoltalk": {
        "messages": [{"content": "hi", "role": "user"}, {"content": "ho", "role": "assistant"}], "source": "everyday",
    },
    "tulu3": {
        "id": "1", "messages": [{"content": "hi", "role": "user"}, {"content": "ho", "role": "assistant"}],
        "source": "ai2/flan",
    },
    "flan": {
        "inputs": "hi", "targets": "ho", "_template_idx": 1, "_task_source": "Flan2021", "_task_name": "cot_esnli",
        "_template_type": "zs_opt",
    },
    "lima": {"conversations": ["hi", "ho"], "source": "stackexchange"},
}  # fmt: skip
TASKS = {"databricks_dolly": "open_qa", "smoltalk": "everyday", "tulu3": "ai2/flan", "flan": "cot_esnli"}


@pytest.fixture(autouse=True)
def unplugged(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise ConnectionError("no connection")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


def described(option: str) -> dict:
    """The option's YAML with what it builds on, but for its hub."""
    found = OmegaConf.load(FOLDER / f"{option}.yaml")
    for name in found.pop("defaults", []):
        if isinstance(name, str) and name != "_self_":
            found = OmegaConf.merge(described(name), found)
    return OmegaConf.to_container(found)


def opened(option: str, path: str, **hub):
    """The option's source for a folder laid out like its data set."""
    arguments = described(option) | {"path": path, "hub": HubDataset(**hub)}
    return locate(arguments.pop("_target_"))[0](**arguments)


def plant(folder, rows: list[dict]) -> str:
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(folder)


def contents(read) -> list[list[str]]:
    return [[message.content for message in one.messages] for one in read]


@pytest.mark.parametrize("option", ROWS)
def test_a_directory_like_the_data_set_is_read_without_a_connection(tmp_path, option):
    pytest.importorskip("datasets")
    path = plant(tmp_path, [ROWS[option]] * 3)
    read = list(opened(option, path))
    assert [list(one.messages) for one in read] == [HELLO] * 3
    assert {one.task for one in read} == {TASKS.get(option, ROWS[option].get("source", ""))}
    assert [one.place for one in read] == [f"{path}:{number}" for number in (1, 2, 3)]
    detected = DetectedLayout(path, hub=HubDataset())
    assert [list(one.messages) for one in detected] == [HELLO] * 3


def test_parquet_and_the_first_rows_of_it_are_read(tmp_path):
    pytest.importorskip("datasets")
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist([ROWS["smoltalk"]] * 3), tmp_path / "train-00000.parquet")
    assert len(list(opened("smoltalk", str(tmp_path), limit=2))) == 2
    whole, part = (opened("smoltalk", str(tmp_path), limit=limit).fingerprint() for limit in (None, 2))
    assert whole != part


@pytest.mark.parametrize("option", [{"delimiter": ";"}, {"columns": ["question", "answer"]}, {"records_field": "data"}])
def test_an_option_of_files_is_refused_for_a_hub_data_set(tmp_path, option):
    pytest.importorskip("datasets")
    path = plant(tmp_path, [{"question": "hi", "answer": "ho"}])
    for reader in (DetectedLayout, QuestionAnswers):
        with pytest.raises(ValueError, match=rf"data\.conversations\.{next(iter(option))} is for files, not for a hub"):
            reader(path, hub=HubDataset(), **option)


def message(name: str, parent: str | None, **more) -> dict:
    role = "prompter" if name[0] == "u" else "assistant"
    return {"message_id": name, "parent_id": parent, "role": role, "text": name, "rank": None, "lang": "en"} | more


TREE = [  # u1 ─ a1 ─ u2 ─ a2, a3 (better) and u3 without an answer; ─ a4 (better) ─ a5 deleted
    message("a4", "u1", rank=0),
    message("u1", None),
    message("a1", "u1", rank=1),
    message("u2", "a1"),
    message("u3", "a1"),
    message("a2", "u2", rank=1),
    message("a3", "u2", rank=0),
    message("u5", "a4", deleted=True),
    message("a5", "u5"),
    message("u9", None, lang="de"),
    message("a9", "gone"),
]


def test_all_paths_of_a_tree_are_conversations_held_out_together(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text("\n".join(map(json.dumps, TREE)))
    read = MessageTrees(str(file), roles={"prompter": "user"}, task_field="lang")
    found = list(read)
    assert contents(found) == [["u1", "a4"], ["u1", "a1", "u2", "a2"], ["u1", "a1", "u2", "a3"]]
    assert {(one.group, one.task) for one in found} == {("u1", "en")}
    assert [message.role for message in found[1].messages] == ["user", "assistant"] * 2
    assert sorted(read.notes) == [
        f"1 messages were left out as deleted, the first: {file}:8",
        f"1 messages were left out because their parent is missing, the first: {file}:11",
        f"1 messages were left out with the message that they reply to, the first: {file}:9",
        "1 trees have no answer",
    ]
    assert contents(DetectedLayout(str(file))) == contents(found)


def test_the_best_path_follows_rank_and_then_file_order(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text("\n".join(map(json.dumps, [*TREE, message("a6", "u2"), message("a7", "u9"), message("a8", "u9")])))
    read = MessageTrees(str(file), roles={"prompter": "user"}, paths="best")
    assert contents(read) == [["u1", "a4"], ["u9", "a7"]]
    file.write_text("\n".join(json.dumps(one) for one in TREE if one["message_id"] != "a4"))
    assert contents(MessageTrees(str(file), roles={"prompter": "user"}, paths="best")) == [["u1", "a1", "u2", "a3"]]


def test_every_message_that_no_root_leads_to_is_counted(tmp_path):
    circle = [message("u20", "a21"), message("a21", "u20"), message("u22", "a21")]
    file = tmp_path / "a.jsonl"
    file.write_text("\n".join(map(json.dumps, [message("u1", ""), message("a1", "u1"), *circle, message("a3", "a9")])))
    read = MessageTrees(str(file), roles={"prompter": "user"})
    assert contents(read) == [["u1", "a1"]]
    assert sorted(read.notes) == [
        f"1 messages were left out because their parent is missing, the first: {file}:6",
        f"3 messages were left out because they reply to each other in a circle, the first: {file}:3",
        "fields that were not read: lang",
    ]
    file.write_text(json.dumps(message("u1", None) | {"message_id": None}))
    with pytest.raises(ValueError, match=r"a\.jsonl:1: field 'message_id' is empty"):
        list(read)


def test_faults_of_trees_are_refused_by_place(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text("\n".join(map(json.dumps, [TREE[1], TREE[1] | {"text": "other"}])))
    with pytest.raises(ValueError, match=r"a\.jsonl:2: message u1 exists already \(.*:1\)"):
        list(MessageTrees(str(file), roles={"prompter": "user"}))
    with pytest.raises(ValueError, match=r"a\.jsonl:1: role 'prompter' is unknown: .*roles\.prompter=user"):
        list(MessageTrees(str(file)))
    for field, value in {"message_id": ["u1"], "parent_id": {"id": 1}, "rank": "first"}.items():
        file.write_text(json.dumps(TREE[1] | {field: value}))
        with pytest.raises(ValueError, match=rf"a\.jsonl:1: field '{field}' is "):
            list(MessageTrees(str(file), roles={"prompter": "user"}))


def test_a_message_that_occurs_twice_word_for_word_is_one(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text("\n".join(map(json.dumps, [*TREE, *TREE])))
    read = MessageTrees(str(file), roles={"prompter": "user"}, task_field="lang")
    assert contents(read) == [["u1", "a4"], ["u1", "a1", "u2", "a2"], ["u1", "a1", "u2", "a3"]]
    assert f"{len(TREE)} messages occur a second time, word for word, and were left out" in read.notes


@pytest.mark.parametrize("root", ["null", "NaN", '""'])
def test_a_root_is_a_message_whose_parent_is_any_kind_of_nothing_and_ids_may_be_numbers(tmp_path, root):
    file = tmp_path / "a.jsonl"
    one = f'{{"message_id": 0, "parent_id": {root}, "role": "user", "text": "u"}}'
    file.write_text(one + '\n{"message_id": 1, "parent_id": 0.0, "role": "assistant", "text": "a", "rank": NaN}')
    assert contents(MessageTrees(str(file))) == [["u", "a"]]


def test_trees_are_read_from_tables_that_spell_truth_and_ranks(tmp_path):
    lines = ["message_id;parent_id;role;text;rank;deleted", "1;;user;u;;False", "2;1;assistant;a;1;false"]
    lines += ["3;1;assistant;b;0;0", "4;1;assistant;c;0;True"]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    read = MessageTrees(str(tmp_path / "a.csv"), paths="best")
    assert contents(read) == [["u", "b"]]
    assert f"1 messages were left out as deleted, the first: {tmp_path}/a.csv row 4" in read.notes


def test_alternating_texts_that_are_not_a_list_are_refused(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps({"conversations": "hi"}))
    with pytest.raises(ValueError, match=r"a\.jsonl:1: field 'conversations' is a str, not a list of texts"):
        list(AlternatingTexts(str(file)))


def test_p3_is_read_from_its_plain_texts(tmp_path):
    row = {"inputs": [1, 2], "inputs_pretokenized": "hi", "targets": [3], "targets_pretokenized": "ho"}
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    arguments = described("p3") | {"path": str(tmp_path / "a.jsonl")}
    del arguments["_target_"]
    assert contents(QuestionAnswers(**arguments)) == contents(DetectedLayout(arguments["path"])) == [["hi", "ho"]]


@pytest.mark.parametrize("revision", [None, "main"])
def test_a_hub_id_without_a_whole_commit_is_refused_under_its_own_key(revision):
    pytest.importorskip("datasets")
    with pytest.raises(
        ValueError,
        match=rf"data\.conversations\.hub\.revision {revision} is not a commit of 40.*datasets/a/b/commits",
    ):
        QuestionAnswers("a/b", hub=HubDataset(revision=revision))
    with pytest.raises(ValueError, match=r"data\.conversations\.path /none is neither a local folder"):
        QuestionAnswers("/none", hub=HubDataset(revision=COMMIT))
    with pytest.raises(ValueError, match=r"with data\.conversations\.hub it is one data set, not 2"):
        QuestionAnswers(["a/b", "c/d"], hub=HubDataset(revision=COMMIT))


@pytest.mark.parametrize("file", READY, ids=lambda file: file.stem)
def test_every_ready_made_data_set_names_its_licence_and_a_commit_or_requires_one(file):
    found = OmegaConf.load(file)
    if "hub" in found:  # not the one for any data set
        assert found.hub.revision is None or re.fullmatch(r"[0-9a-f]{40}", found.hub.revision)
        assert found.hub.revision or "hub.revision=" in file.read_text()
        assert re.search(r"Apache|CC BY|ODC-By", file.read_text().splitlines()[0])
    assert file.stem in {*ROWS, "oasst1", "hugging_face"}


def test_a_tree_whose_roles_name_no_role_is_refused_before_it_is_read(tmp_path):
    file = tmp_path / "trees.jsonl"
    file.write_text("{}")
    with pytest.raises(ValueError, match=r"data\.conversations\.roles: 'usr' is not one of system, user, assistant"):
        MessageTrees(str(file), roles={"prompter": "usr"})
