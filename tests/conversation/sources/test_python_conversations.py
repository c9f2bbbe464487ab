"""Conversations about the library are reproducible, right, and held out with the corpus."""

import subprocess
import sys
from collections import Counter

import pytest

from lm.conversation import MaskValidator, RoleTokenTemplate
from lm.conversation.sources.python_api import library_entries
from lm.conversation.sources.python_conversations import PythonConversations
from lm.conversation.sources.small_talk import IDENTITY, UNKNOWN
from lm.corpus import Split
from lm.files import hash_json
from lm.sources import PythonSource
from lm.sources.python_library import group_of, library_files
from lm.sources.python_prose import compiled_modules
from lm.tokenizer import train_bpe


@pytest.fixture(scope="module", autouse=True)
def parsed_once():
    """Parsing the library takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        entries = library_entries()
        patch.setattr("lm.conversation.sources.python_conversations.library_entries", lambda: entries)
        yield


@pytest.fixture(scope="module")
def source() -> PythonConversations:
    return PythonConversations(recall=1.0)


@pytest.fixture(scope="module")
def conversations(source):
    return list(source)


@pytest.fixture(scope="module")
def by_name(conversations) -> dict[tuple[str, str], list[str]]:
    """The turns by task and name."""
    return {tuple(one.place.split(" of ", 1)): [message.content for message in one.messages] for one in conversations}


def digest(conversations) -> str:
    return hash_json([repr(conversation) for conversation in conversations])


def test_two_readings_in_two_processes_agree_whatever_the_hash_seed(source, conversations):
    assert list(source) == conversations
    script = (
        "from lm.conversation.sources.python_conversations import PythonConversations as Made; "
        "from lm.files import hash_json; "
        "made = Made(recall=1.0); print(hash_json([repr(one) for one in made]), made.fingerprint())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"}
    )
    assert ran.stdout.split() == [digest(conversations), source.fingerprint()]


def test_every_conversation_is_valid_and_so_is_its_mask(conversations):
    tokenizer = train_bpe((one.messages[1].content for one in conversations[:500]), vocab_size=400)
    validator = MaskValidator(RoleTokenTemplate(), tokenizer)
    for number, conversation in enumerate(conversations):
        conversation.check()
        assert [message.role for message in conversation.messages[::2]] == ["user"] * (len(conversation.messages) // 2)
        assert conversation.messages[-1].role == "assistant"
        if number % 20 == 0:
            validator.check(RoleTokenTemplate().encode(conversation, tokenizer), conversation)


def test_every_task_occurs_often_enough_to_be_learned(conversations):
    tasks = Counter(conversation.task for conversation in conversations)
    assert {"describe", "signature", "body", "module", "dialogue", "chat"} < set(tasks)
    assert min(tasks.values()) > 300
    assert sum(tasks.values()) > 10_000


def test_no_conversation_exceeds_max_characters_and_longer_ones_are_counted(source, conversations):
    def longest(made):
        return max(sum(len(message.content) for message in one.messages) for one in made)

    assert longest(conversations) <= 600
    short = PythonConversations(max_characters=100, recall=1.0)
    kept = list(short)
    assert longest(kept) <= 100
    assert kept == [one for one in conversations if longest([one]) <= 100]
    (note,) = source.notes
    (more,) = short.notes
    left_out, more_left_out = (int(text.split()[0]) for text in (note, more))
    assert more_left_out - left_out == len(conversations) - len(kept) > 0
    assert short.fingerprint() != source.fingerprint()


def test_recall_is_the_share_of_names_that_are_asked_about_from_memory(conversations):
    asked = Counter(conversation.task for conversation in PythonConversations(recall=0.25))
    everything = Counter(conversation.task for conversation in conversations)
    for task in ("describe", "module", "body", "signature"):
        assert 0.2 < asked[task] / everything[task] < 0.35
    assert asked["arguments"] == everything["arguments"]


@pytest.mark.parametrize(
    ("task", "thing", "expected"),
    [
        ("describe", "math.sqrt", "Return the square root of x."),
        ("describe", "textwrap.dedent", "Remove any common leading whitespace from every line in `text`."),
        ("signature", "str.upper", "str.upper() takes no arguments."),
        ("module", "dataclasses.dataclass", "dataclass is in the dataclasses module."),
        ("module", "sorted", "sorted is built in."),
    ],
)
def test_known_facts_are_right(by_name, task, thing, expected):
    question, answer = by_name[task, thing]
    assert answer == expected
    assert thing.split(".")[-1] in question


def test_which_module_has_a_name_is_asked_only_of_unique_names(conversations):
    answers: dict[str, set[str]] = {}
    for one in conversations:
        if one.task == "module" and "module have" not in one.messages[0].content:
            answers.setdefault(one.messages[1].content.split(" is ")[0], set()).add(one.messages[1].content)
    assert len(answers) > 1500
    assert all(len(each) == 1 for each in answers.values())
    assert "loads" not in answers, "json and pickle and more have it"


def test_functions_are_completed_with_the_library_code(conversations):
    library = dict.fromkeys({file.group for file in library_files()}, "")
    for file in library_files():
        library[file.group] += file.read().expandtabs()
    bodies = [one for one in conversations if one.task == "body"]
    for one in bodies:
        header, _, code = one.messages[1].content.partition("\n")
        assert header in one.messages[0].content
        lines = [line.strip() for line in code.expandtabs().splitlines() if line.strip()]
        assert all(line in library[one.group] for line in lines), one.place


def test_the_model_knows_what_it_is_and_what_it_does_not_know(conversations):
    chat = {one.messages[0].content: one.messages[-1].content for one in conversations if one.task == "chat"}
    assert chat["Who are you?"] == chat["who are you"] == IDENTITY
    assert chat["What is the weather today?"] == UNKNOWN
    assert all(one.group == "" for one in conversations if one.task == "chat")


def test_a_group_held_out_of_the_corpus_is_held_out_of_the_conversations(conversations):
    split, documents = Split(0.05), list(PythonSource())
    held_out = {document.group for document in documents if split.held_out(document)}
    pages = {document.id.removeprefix("module "): document.group for document in documents}
    groups = {conversation.group for conversation in conversations} - {""}
    assert groups <= {file.group for file in library_files()} | {group_of(name) for name in compiled_modules()}
    assert len(groups & held_out) > 5
    for conversation in conversations:
        if conversation.group:
            assert split.held_out(conversation) == (conversation.group in held_out), conversation.place
            thing = conversation.place.split(" of ")[1]
            assert pages.get(thing, conversation.group) == conversation.group
