"""Rows of whole conversations in which nothing but the assistant's words and their ends of turn counts."""

import random
from collections import Counter
from itertools import groupby

import numpy as np
import pytest

from lm.conversation import Conversation, Message, RoleTokenTemplate
from lm.conversation.sources import ConversationSource, MessageLists
from lm.corpus import Split
from lm.data import Rows
from lm.data.instruction import InstructionData
from lm.data.mixture import Weights
from lm.data.packing import best_fit, cut
from lm.files import hash_json
from lm.optimizer import Plan
from lm.tokenizer import train_bpe
from support.partition_step import alone

CONTEXT, HELD_OUT = 128, 0.2
WORDS = ["what", " does", " this", " do", "?", " é", "日本", "\n", "<|assistant|>", " it", " returns", "🙂"]


@pytest.fixture(scope="module")
def tokenizer():
    return train_bpe(["what does this do? it returns what it is given\n"] * 4, vocab_size=280)


class Given(ConversationSource):
    """Conversations given in a list."""

    def __init__(self, conversations, notes: tuple[str, ...] = ()):
        self.conversations, self.notes = list(conversations), notes

    def __iter__(self):
        return iter(self.conversations)

    def fingerprint(self) -> str:
        return hash_json([repr(conversation) for conversation in self.conversations])


def talk(*said: str, **more) -> Conversation:
    """User and assistant in turn."""
    turns = tuple(Message(("user", "assistant")[number % 2], content) for number, content in enumerate(said))
    return Conversation(turns, **more)


def random_talks(count: int = 150, *, seed: int = 0, words: int = 6, **more) -> list[Conversation]:
    """No two alike: the first question has a number."""
    draw = random.Random(seed)

    def words_said():
        return "".join(draw.choices(WORDS, k=draw.randint(1, words))) + "."

    return [
        talk(
            f"{number}{words_said()}",
            *(words_said() for _ in range(draw.choice([1, 1, 3]))),
            place=f"talk.jsonl:{number}",
            **{"task": draw.choice(["describe", "chat"]), **more},
        )
        for number in range(count)
    ]


def opened(conversations, tokenizer, *, context=CONTEXT, **more) -> Rows:
    return of(conversations, **more).open(tokenizer=tokenizer, context=context)


def of(conversations, *, share=HELD_OUT, packing=best_fit, too_long="refuse", **more) -> InstructionData:
    if isinstance(conversations, list):
        conversations = Given(conversations)
    return InstructionData(
        conversations,
        template=RoleTokenTemplate(),
        split=Split(share),
        packing=packing,
        too_long=too_long,
        validation_rows=None,
        **more,
    )


def pieces(source) -> list[tuple[list, list, list]]:
    """Inputs, targets and mask of every document of every row, by the row's own `documents`."""
    found = []
    for index in range(len(source)):
        row = source.row(index)
        for document, places in groupby(range(len(row.tokens)), key=lambda place: row.documents[place]):
            places = list(places)
            if document >= 0:
                parts = (row.tokens, row.targets, row.supervised)
                found.append(tuple(part[places].tolist() for part in parts))
    return found


def whole(conversations, tokenizer) -> Counter:
    """Inputs, targets and mask of conversations that nothing was done to."""
    encoded = [RoleTokenTemplate().encode(conversation, tokenizer) for conversation in conversations]
    return Counter((tuple(one.tokens[:-1]), tuple(one.tokens[1:]), tuple(one.supervised[1:])) for one in encoded)


def answers(conversation) -> list[str]:
    return [message.content for message in conversation.messages if message.role == "assistant"]


def parted(conversations, share=HELD_OUT) -> tuple[list, list]:
    """Conversations trained on, and those held out."""
    split = Split(share)
    held_out = [one for one in conversations if split.held_out(one)]
    return [one for one in conversations if not split.held_out(one)], held_out


def test_rows_hold_every_conversation_once_and_whole(tokenizer):
    talks = random_talks()
    data = opened(talks, tokenizer)
    training, held_out = parted(talks)
    for source, wanted in ((data.sources["conversations"], training), (data.validation, held_out)):
        assert len(source) < len(wanted), "several share a row"
        assert Counter(tuple(map(tuple, piece)) for piece in pieces(source)) == whole(wanted, tokenizer)


@pytest.mark.parametrize("weight", [0.1, 1.0])
def test_prompt_weight_applies_to_unsupervised_targets_of_training_only(weight, tokenizer):
    talks = random_talks()
    data, plain = opened(talks, tokenizer, prompt_weight=weight), opened(talks, tokenizer)
    source, before = data.sources["conversations"], plain.sources["conversations"]
    assert np.array_equal(source.counts, before.counts), "shares of a mixture count answers"
    for index in range(len(source)):
        row, same = source.row(index), before.row(index)
        assert np.array_equal(row.supervised, same.supervised)
        assert (row.loss_weights[row.supervised] == 1).all()
        assert (row.loss_weights[row.documents < 0] == 0).all()
        assert (row.loss_weights[(row.documents >= 0) & ~row.supervised] == np.float32(weight)).all()
        assert source.loss_weights[index] == pytest.approx(row.loss_weights.sum(dtype=np.float64), rel=1e-12)
    assert all(data.validation.row(i).loss_weights is None for i in range(len(data.validation)))
    assert before.row(0).loss_weights is None
    assert before.loss_weights is before.counts
    filled = sum(int((source.row(i).documents >= 0).sum()) for i in range(len(source)))
    for prompt_weight, wanted in ((weight, filled), (0.0, before.counts.sum())):
        sketched = of(talks, prompt_weight=prompt_weight).sketch(tokenizer=tokenizer, context=CONTEXT)
        assert sketched.sources["conversations"].loss_targets == pytest.approx(wanted)


def test_a_prompt_weight_does_not_teach_what_is_marked_as_not_to_be_learned(tokenizer):
    turns = (Message("user", "what?"), Message("assistant", "x", supervised=False), *talk("no", "it").messages)
    talks = [*random_talks(40), Conversation(turns, place="a.jsonl:7")]
    with pytest.raises(ValueError, match=r"data\.prompt_weight=0\.1 would teach an answer of a\.jsonl:7"):
        opened(talks, tokenizer, prompt_weight=0.1)
    assert opened(talks, tokenizer)


def test_padding_ends_a_row_and_counts_nowhere(tokenizer):
    data = opened(random_talks(), tokenizer)
    for source in (*data.sources.values(), data.validation):
        assert source.counts.tolist() == [int(source.row(i).supervised.sum()) for i in range(len(source))]
        for index in range(len(source)):
            row = source.row(index)
            filled = int((row.documents >= 0).sum())
            assert (row.documents[filled:] == -1).all()
            assert not row.supervised[filled:].any()
            assert (row.tokens[filled:] == tokenizer.padding).all()
            assert (row.targets[filled:] == tokenizer.padding).all()
            assert (np.diff(row.documents[:filled]) >= 0).all()


def test_supervised_runs_of_the_rows_are_the_answers_and_their_ends_of_turn(tokenizer):
    talks = random_talks()
    data = opened(talks, tokenizer)
    training, held_out = parted(talks)
    for source, wanted in ((data.sources["conversations"], training), (data.validation, held_out)):
        said = []
        for index in range(len(source)):
            row = source.row(index)
            places = range(CONTEXT)
            for (counts, _), run in groupby(places, key=lambda place: (row.supervised[place], row.documents[place])):
                if counts:
                    *words, end = row.targets[list(run)].tolist()
                    assert end == tokenizer.end_of_turn
                    assert tokenizer.end_of_turn not in words
                    said.append(tokenizer.decode(words))
        assert Counter(said) == Counter(answer for conversation in wanted for answer in answers(conversation))


def test_an_answer_to_be_learned_is_seen_from_its_own_conversation_only(tokenizer):
    for inputs, _, supervised in pieces(opened(random_talks(), tokenizer).sources["conversations"]):
        assert inputs[0] == tokenizer.end_of_document
        assert tokenizer.end_of_document not in inputs[1:]
        assert inputs[supervised.index(True)] == tokenizer.role_tokens["assistant"]


def test_conversations_too_long_are_dropped_shortened_or_refused_and_reported(tokenizer):
    talks = random_talks(words=30)
    training, _ = parted(talks)
    fit = [one for one in training if len(RoleTokenTemplate().encode(one, tokenizer).tokens) <= CONTEXT + 1]
    assert 0 < len(fit) < len(training)

    dropped = opened(talks, tokenizer, too_long="drop")
    found = Counter(tuple(map(tuple, piece)) for piece in pieces(dropped.sources["conversations"]))
    assert found == whole(fit, tokenizer)
    of_training, of_held_out = dropped.notes
    assert f"{len(training) - len(fit)} longer than {CONTEXT} tokens dropped (" in of_training
    assert of_held_out == f"held out: {dropped.validation.documents.describe_shortened()}"

    counts = {name: found["dropped"] for name, found in dropped.left_out.items()}
    assert counts == {"conversations": len(training) - len(fit), "held out": dropped.validation.documents.dropped}

    for too_long, outcome in (("split", "split into"), ("truncate", "truncated")):
        shortened = opened(talks, tokenizer, too_long=too_long)
        source = shortened.sources["conversations"]
        assert max(len(inputs) for inputs, _, _ in pieces(source)) <= CONTEXT
        assert source.counts.sum() > dropped.sources["conversations"].counts.sum(), "more is learned than by dropping"
        assert f"longer than {CONTEXT} tokens {outcome}" in shortened.notes[0]

    with pytest.raises(ValueError, match=r"refuse: talk\.jsonl:\d+ has \d+ targets, more than the context of 128"):
        opened(talks, tokenizer, too_long="refuse")


def test_the_summary_of_a_run_counts_what_was_left_out(tokenizer):
    talks = [*random_talks(words=30), talk("what?", " ", place="bad.jsonl:1")]
    data = opened(talks, tokenizer, too_long="truncate", invalid="drop", max_examples=70)
    plan = Plan(steps=3, rows_per_step=8, rows_per_device=8, accumulate=1, devices=1, row_tokens=CONTEXT)
    found = data.plan(plan, seed=0).summarize(3)
    assert found["sources"]["conversations"]["rows"] == 24
    counted = found["left_out"]["conversations"]
    assert counted == {**data.sources["conversations"].documents.count_shortened(), "other": counted["other"]}
    training, _ = parted(talks)
    assert counted["other"] == len(training) - 70, "the invalid one, and those that were not drawn"
    assert min(counted["truncated"], counted["dropped"], counted["supervised_tokens"]) > 0


def test_no_more_examples_are_trained_on_than_requested_and_a_larger_limit_only_adds(tokenizer):
    talks = random_talks()
    _, held_out = parted(talks)

    def trained(most) -> Counter:
        data = opened(talks, tokenizer, max_examples=most)
        assert Counter(tuple(map(tuple, piece)) for piece in pieces(data.validation)) == whole(held_out, tokenizer)
        return Counter(tuple(map(tuple, piece)) for piece in pieces(data.sources["conversations"]))

    few, more = trained(20), trained({"conversations": 50})
    assert "beyond data.max_examples=50 left out" in opened(talks, tokenizer, max_examples=50).notes[1]
    assert (few.total(), more.total()) == (20, 50)
    twice = opened([*talks, *talks], tokenizer, max_examples=15)
    assert len(twice.sources["conversations"].documents) == 15, "those that are alike have one rank"
    assert few < more < trained(None) == trained(10_000)
    turned = opened(list(reversed(talks)), tokenizer, max_examples=20).sources["conversations"]
    assert Counter(tuple(map(tuple, piece)) for piece in pieces(turned)) == few, "wherever they stand"
    with pytest.raises(
        ValueError, match=r"data\.max_examples\.conversation: no such source; did you mean conversations"
    ):
        opened(talks, tokenizer, max_examples={"conversation": 3})


def test_a_sketch_counts_no_more_than_max_examples(tokenizer):
    def sketched(**more) -> Rows:
        return of(random_talks(400), **more).sketch(tokenizer=tokenizer, context=CONTEXT)

    assert len(sketched(max_examples=50)) < len(sketched()) / 5


def test_several_sources_need_at_least_one(tokenizer):
    with pytest.raises(ValueError, match=r"data\.conversations is empty: \+data/conversations@data\.conversations\."):
        opened({}, tokenizer)


def test_a_fault_in_one_of_several_sources_is_reported_with_its_name(tokenizer, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"messages": [{"role": "bot", "content": "hi"}]}\n')
    parts = {"mine": MessageLists(str(tmp_path / "a.jsonl")), "other": Given(random_talks(20))}
    with pytest.raises(ValueError, match=r"name its role: \+data\.conversations\.mine\.roles\.bot=assistant"):
        opened(parts, tokenizer)


def test_the_rarest_tasks_are_measured_together(tokenizer):
    talks = [one for task in range(30) for one in random_talks(8 + 2 * task, seed=task, task=f"task {task}")]
    data = opened(talks, tokenizer, max_tasks=4, share=0.5)
    _, held_out = parted(talks, share=0.5)
    counts = Counter(one.task for one in held_out)
    frequent = sorted(counts, key=lambda task: (-counts[task], task))[:4]
    assert data.kinds == sorted([*frequent, "other"])
    rows = [data.validation.row(index) for index in range(len(data.validation))]
    for number, task in enumerate(data.kinds):
        ends = sum(int((row.supervised & (row.kinds == number) & (row.bytes == 0)).sum()) for row in rows)
        of_it = [one for one in held_out if (one.task if one.task in frequent else "other") == task]
        assert ends == sum(len(answers(one)) for one in of_it)
    assert len(opened(talks, tokenizer, max_tasks=None, share=0.5).kinds) == 30


def test_an_invalid_conversation_is_refused_by_place_or_dropped_and_counted_by_reason(tokenizer):
    talks = random_talks(40)
    invalid = [talk("what?", " ", place=f"bad.jsonl:{number}") for number in (1, 2)]
    invalid += [
        talk("what?", place="bad.jsonl:3"),
        Conversation((), place="bad.jsonl:4", fault=" has no field 'a': so"),
    ]
    with pytest.raises(ValueError, match=r"bad\.jsonl:1, turn 2: the answer is empty.*\(data\.invalid=drop drops"):
        opened([*talks, *invalid], tokenizer, invalid="refuse")
    data = opened([*talks, *invalid], tokenizer)
    assert data.notes[1:] == [
        "conversations: 2 dropped: the answer is empty (the first: bad.jsonl:1)",
        "conversations: 1 dropped: has no assistant turn, so no token would be supervised (the first: bad.jsonl:3)",
        "conversations: 1 dropped: has no field 'a' (the first: bad.jsonl:4)",
    ]
    training, _ = parted(talks)
    found = Counter(tuple(map(tuple, piece)) for piece in pieces(data.sources["conversations"]))
    assert found == whole(training, tokenizer)


def test_a_source_of_which_most_is_invalid_is_refused(tokenizer):
    talks = random_talks(20)
    half = [talk("what?", " ", place=f"bad.jsonl:{number}") for number in range(20)]
    assert opened([*talks, *half], tokenizer)
    more = [*talks, *half, talk("what?", place="bad.jsonl:99")]
    wanted = r"21 of 41 conversations of data\.conversations cannot be trained on: 20 dropped: the answer is empty"
    with pytest.raises(ValueError, match=wanted):
        opened(more, tokenizer)
    with pytest.raises(ValueError, match=wanted):
        of(more).sketch(tokenizer=tokenizer, context=CONTEXT)


def test_a_mixture_holds_mixture_unit_supervised_tokens(tokenizer):
    long = Given([talk(f"{number:03}", "it returns what it is given " * 6) for number in range(80)])
    short = Given([talk(f"{number:03}", "it") for number in range(80)])
    data = opened(
        {"long": long, "short": short}, tokenizer, packing=alone, mixture=Weights({"long": 0.25, "short": 0.75})
    )
    assert list(data.sources) == ["long", "short"]
    counts = [source.counts for source in data.sources.values()]
    assert counts[0].min() > 5 * counts[1].max(), "a conversation a row, so rows differ in what they teach"
    plan = Plan(steps=100, rows_per_step=8, rows_per_device=8, accumulate=1, devices=1, row_tokens=CONTEXT)
    sources, rows = data.plan(plan, seed=0).order.rows(0, 800)
    read = np.array([counts[source][row] for source, row in zip(sources, rows, strict=True)])
    assert np.abs(np.cumsum(read * (sources == 0)) - 0.25 * np.cumsum(read)).max() <= counts[0].max()


def test_a_mixture_counts_examples_if_its_unit_is_examples(tokenizer):
    long = Given([talk(f"{number:03}", "it returns what it is given " * 4) for number in range(80)])
    short = Given([talk(f"{number:03}", "it") for number in range(80)])
    even = Weights({"long": 1, "short": 1})
    data = opened({"long": long, "short": short}, tokenizer, mixture=even, mixture_unit="examples")
    held = [np.diff(source.packing.row_offsets) for source in data.sources.values()]
    assert held[0].mean() < held[1].mean() / 3
    steps = 50
    plan = Plan(steps=steps, rows_per_step=8, rows_per_device=8, accumulate=1, devices=1, row_tokens=CONTEXT)
    planned = data.plan(plan, seed=0)
    read = np.array([held[source][row] for source, row in zip(*planned.order.rows(0, steps * 8), strict=True)])
    sources, _ = planned.order.rows(0, steps * 8)
    assert abs(read[sources == 0].sum() - read[sources == 1].sum()) < 4 * held[1].max()
    found = planned.summarize(steps)["sources"]
    assert found["long"]["share"] == pytest.approx(0.5, abs=0.03)
    assert found["long"]["wanted"] == 0.5
    assert found["long"]["tokens"] > 5 * found["short"]["tokens"]


def test_sources_without_tasks_are_reported_by_their_names(tokenizer):
    parts = {name: Given(random_talks(60, seed=seed, task="")) for seed, name in enumerate(["cats", "dogs"])}
    data = opened(parts, tokenizer)
    assert data.kinds == ["cats", "dogs"]
    assert of(parts).fingerprint() != of({"cats": parts["cats"], "dogs": parts["cats"]}).fingerprint()


def test_validation_is_reported_by_task_and_counts_the_bytes_of_answers(tokenizer):
    talks = random_talks()
    data = opened(talks, tokenizer)
    _, held_out = parted(talks)
    assert data.kinds == ["chat", "describe"]
    rows = [data.validation.row(index) for index in range(len(data.validation))]
    for number, task in enumerate(data.kinds):
        wanted = [answer.encode() for one in held_out if one.task == task for answer in answers(one)]
        assert sum(int(row.bytes[row.kinds == number].sum()) for row in rows) == sum(map(len, wanted)) > 0
        ends = sum(int((row.supervised & (row.kinds == number) & (row.bytes == 0)).sum()) for row in rows)
        assert ends == len(wanted), "an end of turn for each answer, of no bytes"
    assert not any(row.bytes[~row.supervised].any() for row in rows)


def test_packing_that_cuts_conversations_is_refused(tokenizer):
    with pytest.raises(ValueError, match=r"data\.packing cuts conversations in two: take .*exact_fit"):
        opened(random_talks(), tokenizer, packing=cut)


def test_conversations_of_a_group_are_held_out_together(tokenizer):
    talks = [one for group in range(60) for one in random_talks(5, seed=group, group=f"group {group}")]
    data = opened(talks, tokenizer)
    _, held_out = parted(talks)
    groups = Counter(conversation.group for conversation in held_out)
    assert 4 < len(groups) < 25
    assert set(groups.values()) == {5}
    assert Counter(tuple(map(tuple, piece)) for piece in pieces(data.validation)) == whole(held_out, tokenizer)


def test_what_is_held_out_stays_so_when_conversations_are_added_or_moved(tokenizer):
    talks, more = random_talks(), random_talks(seed=1, count=80)
    data = opened(talks, tokenizer)
    grown = opened([*more, *reversed(talks)], tokenizer)
    first = Counter(tuple(map(tuple, piece)) for piece in pieces(data.validation))
    assert first == whole(parted(talks)[1], tokenizer)
    trained = Counter(tuple(map(tuple, piece)) for piece in pieces(grown.sources["conversations"]))
    measured = Counter(tuple(map(tuple, piece)) for piece in pieces(grown.validation))
    assert first <= measured
    assert not trained & measured
    assert 0 < sum(first.values()) < 60


def test_the_same_question_and_answer_is_never_on_both_sides(tokenizer):
    talks = random_talks(100)
    again = [Conversation((*one.messages, Message("user", "more?"), Message("assistant", "no"))) for one in talks]
    split = of([*talks, *again]).split
    assert [split.held_out(one) for one in talks] == [split.held_out(one) for one in again]


def test_with_nothing_to_train_on_it_says_why(tokenizer):
    with pytest.raises(ValueError, match=r"conversations has no conversation to train on \(0 are held out"):
        opened([], tokenizer)
    long = Given([talk("what does this do?", "it returns what it is given")] * 3)
    with pytest.raises(ValueError, match=r"long has no conversation to train on.*3 longer than 8 tokens dropped"):
        opened({"long": long}, tokenizer, context=8, share=0.0, too_long="drop")


def test_without_anything_held_out_there_is_no_validation(tokenizer):
    data = opened(random_talks(20), tokenizer, share=0.0)
    assert data.validation is None
    assert data.kinds == []


def test_what_a_source_left_out_is_reported(tokenizer):
    source = Given(random_talks(20), notes=("7 were nonsense",))
    assert "conversations: 7 were nonsense" in opened(source, tokenizer).notes
    assert "conversations: 7 were nonsense" in of(source).sketch(tokenizer=tokenizer, context=CONTEXT).notes


def test_a_weight_for_no_source_is_refused_with_what_was_meant(tokenizer):
    data = opened(random_talks(30), tokenizer, mixture=Weights({"conversation": 1}))
    plan = Plan(steps=1, rows_per_step=8, rows_per_device=8, accumulate=1, devices=1, row_tokens=CONTEXT)
    with pytest.raises(
        ValueError, match=r"data\.mixture\.weights\.conversation: no such source; did you mean conversations"
    ):
        data.plan(plan, seed=0)
