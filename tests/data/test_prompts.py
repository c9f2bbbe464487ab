"""Prompts for reinforcement learning: what is asked, what the reference is, what is held out and left out."""

import numpy as np
import pytest

from lm.batch import PromptBatch
from lm.config.target import locate
from lm.conversation import Conversation, Message, RecordedTemplate, RoleTokenTemplate, record_template
from lm.conversation.sources import ConversationSource
from lm.corpus import Split
from lm.data.batches import ValidationBatches
from lm.data.prompts import PromptData
from lm.tokenizer import train_bpe
from support.conversation_sources import described, source, written

CONTEXT = 48


@pytest.fixture(scope="module")
def tokenizer():
    return train_bpe(["what is one and two? three. reverse abc\n"] * 4, vocab_size=280)


class Given(ConversationSource):
    """Conversations given in a list."""

    def __init__(self, conversations):
        self.conversations = list(conversations)

    def __iter__(self):
        return iter(self.conversations)

    def fingerprint(self) -> str:
        return ""


def talk(question: str, answer: str, **more) -> Conversation:
    return Conversation((Message("user", question), Message("assistant", answer)), **more)


def generated(option: str, **more) -> ConversationSource:
    arguments = described(option) | more
    return locate(arguments.pop("_target_"))[0](**arguments)


def opened(tokenizer, conversations, *, share: float = 0.0, context: int = CONTEXT, **options):
    data = PromptData(conversations, split=Split(share), **options)
    return data.open(tokenizer=tokenizer, context=context)


def test_records_of_questions_and_answers_become_prompts_and_references(tokenizer, tmp_path):
    records = [{"question": f"{n} + 1?", "answer": f"It is {n} plus one.\n#### {n + 1}"} for n in range(5)]
    rows = opened(tokenizer, source("questions", written(tmp_path / "math.jsonl", *records)))
    assert [prompt.reference for prompt in rows.asked] == [record["answer"] for record in records]
    assert [prompt.place for prompt in rows.asked] == [f"{tmp_path / 'math.jsonl'}:{n}" for n in range(1, 6)]
    template = RoleTokenTemplate()
    for number, (prompt, record) in enumerate(zip(rows.asked, records, strict=True)):
        expected = template.prompt([Message("user", record["question"])], tokenizer)
        row = rows.sources["prompts"].row(number)
        assert list(prompt.tokens) == expected == row.tokens[row.documents == 0].tolist()
        assert (row.supervised.nonzero()[0].tolist(), row.prompt) == ([CONTEXT - 1], number)
    assert rows.sources["prompts"].amounts.tolist() == rows.sources["prompts"].loss_weights.tolist() == [1] * 5


def test_a_conversation_is_asked_up_to_its_last_answer_whose_thoughts_are_no_reference(tokenizer, tmp_path):
    talk = [("system", "be brief"), ("user", "one?"), ("assistant", "two"), ("user", "and?")]
    messages = [{"role": role, "content": content} for role, content in talk]
    answered = [*messages, {"role": "assistant", "content": "<think>a b</think> three"}]
    file = written(tmp_path / "talks.jsonl", {"messages": answered}, {"messages": messages})
    rows = opened(tokenizer, source("messages", file), context=128)
    assert [prompt.reference for prompt in rows.asked] == ["three", None]
    assert rows.asked[0].tokens == rows.asked[1].tokens
    assert [message.content for message in rows.asked[0].messages] == [content for _, content in talk]


def test_prompts_need_no_answer(tokenizer, tmp_path):
    file = written(tmp_path / "p.jsonl", {"prompt": "one?"}, {"prompt": [{"role": "user", "content": "two?"}]})
    rows = opened(tokenizer, source("prompts", file))
    assert [prompt.messages for prompt in rows.asked] == [(Message("user", text),) for text in ("one?", "two?")]
    assert {prompt.reference for prompt in rows.asked} == {None}


def test_held_out_prompts_are_numbered_after_those_of_training_and_are_those_of_tuning(tokenizer):
    given = [talk(f"{n}?", f"{n}") for n in range(60)]
    split = Split(0.3)
    rows = opened(tokenizer, {"a": Given(given[:30]), "b": Given(given[30:])}, share=0.3, validation_rows=None)
    held_out = [each.messages[0].content for each in given if split.held_out(each)]
    validation = [rows.asked[rows.validation.row(n).prompt] for n in range(len(rows.validation))]
    assert sorted(prompt.messages[0].content for prompt in validation) == sorted(held_out)
    numbers = [rows.sources[name].row(n).prompt for name in "ab" for n in range(len(rows.sources[name]))]
    assert numbers == list(range(60 - len(held_out)))
    assert rows.kinds == ["a", "b"]
    assert [rows.asked[n].task for n in numbers] == ["a"] * len(rows.sources["a"]) + ["b"] * len(rows.sources["b"])


def test_a_rank_that_runs_out_of_held_out_prompts_marks_the_repeated_one(tokenizer):
    rows = opened(tokenizer, Given([talk(f"{n}?", f"{n}") for n in range(40)]), share=0.5, validation_rows=3)
    batches = [ValidationBatches(rows.validation, rows=2, rank=rank, ranks=2)[0] for rank in range(2)]
    batches += [ValidationBatches(rows.validation, rows=1, rank=1, ranks=2)[1]]
    assert all(isinstance(batch, PromptBatch) for batch in batches)
    assert [batch.supervised.any(-1).tolist() for batch in batches] == [[True, True], [True], [False]]


def test_prompts_that_leave_no_room_for_an_answer_are_counted_or_refused(tokenizer):
    given = [talk("one?", "two"), talk("one " * 40, "two"), talk("and?", "three")]
    rows = opened(tokenizer, Given(given), room=16)
    assert len(rows) == 2
    assert "prompts: 1 longer than 32 tokens dropped" in rows.notes
    assert rows.left_out == {"prompts": {"dropped": 1}}
    with pytest.raises(ValueError, match=r"data\.too_long=refuse: t:1 has \d+ tokens.*set data\.too_long=drop"):
        opened(tokenizer, Given([talk("one " * 40, "two", place="t:1")]), room=16, too_long="refuse")
    with pytest.raises(ValueError, match=r"prompts has no prompt to train on .*lower objective\.max_tokens"):
        opened(tokenizer, Given(given), room=48)


@pytest.mark.parametrize(
    ("turns", "words"),
    [
        ((Message("assistant", "hello"),), "no user turn precedes the answer"),
        ((Message("system", "be brief"),), "no user turn precedes the answer"),
        ((Message("user", " "), Message("assistant", "a")), "the user turn is empty"),
        ((Message("user", "a"), Message("assistant", "")), "the answer is empty"),
        ((), "has no turns"),
    ],
    ids=["only an answer", "only a system turn", "empty question", "empty answer", "no turns"],
)
def test_what_asks_nothing_is_dropped_by_reason_or_refused(tokenizer, turns, words):
    asked = [talk(f"{n}?", f"{n}") for n in range(3)]
    rows = opened(tokenizer, Given([*asked, Conversation(turns, place="t:4")]))
    assert len(rows) == 3
    assert any(words in note and "1 dropped" in note for note in rows.notes)
    with pytest.raises(ValueError, match=rf"t:4.*{words}.*data\.invalid=drop"):
        opened(tokenizer, Given([Conversation(turns, place="t:4")]), invalid="refuse")


@pytest.mark.parametrize("option", ["sums", "letters", "parity"])
def test_generated_tasks_are_the_same_each_time_and_their_answers_are_right(option):
    read = [generated(option) for _ in range(2)]
    talks = list(read[0])
    assert talks == list(read[1])
    assert read[0].fingerprint() == read[1].fingerprint()
    assert len({each.messages[0].content for each in talks}) == len(talks) >= 500
    for question, answer in ((each.messages[0].content, each.messages[1].content) for each in talks):
        if option == "sums":
            left, _, right, _ = question.split()
            assert int(left) + int(right) == int(answer)
        elif option == "letters":
            task, word = question.split(": ")
            assert answer == ("".join(sorted(word)) if task == "sort" else word[::-1])
        else:
            assert answer[-1] == str(question.count("1") % 2)
            steps = answer.removesuffix(f"= {answer[-1]}").strip()
            assert steps in ("", "".join(str(question[:n].count("1") % 2) for n in range(1, len(question) + 1)))


def test_the_share_of_worked_parities_is_the_one_that_is_asked_for():
    for share in (0.0, 0.3, 1.0):
        worked = [not each.messages[1].content.startswith("=") for each in generated("parity", chains=share)]
        assert np.mean(worked) == pytest.approx(share, abs=0.05)


def test_a_model_that_was_never_tuned_is_refused_unless_the_template_is_named(tokenizer, tmp_path):
    given, recorded = Given([talk("one?", "two"), talk("and?", "three")]), RecordedTemplate(str(tmp_path))
    with pytest.raises(ValueError, match=rf"model\.path={tmp_path} was never tuned .*lm instruct model\.path="):
        opened(tokenizer, given, recorded=recorded)
    assert len(opened(tokenizer, given, recorded=recorded, template=RoleTokenTemplate())) == 2
    record_template(tmp_path, RoleTokenTemplate())
    assert len(opened(tokenizer, given, recorded=recorded)) == 2
