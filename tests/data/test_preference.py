"""Rows of whole pairs in which nothing but the answers and their ends of turn counts, and every pair counts once."""

import io
import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from lm.batch import LabelledBatch, PreferenceBatch
from lm.conversation import Conversation, Message, RecordedTemplate, RoleTokenTemplate, record_template
from lm.conversation.preference import LabelledAnswer, PreferencePair
from lm.conversation.sources import PreferenceSource
from lm.corpus import Split
from lm.data.batches import TrainingBatches, ValidationBatches
from lm.data.exact_fit import exact_fit
from lm.data.mixture import Weights
from lm.data.packing import best_fit, cut
from lm.data.preference import PreferenceData
from lm.data.show import show_rows
from lm.files import hash_json
from lm.optimizer import Plan
from lm.tokenizer import train_bpe

CONTEXT, HELD_OUT = 64, 0.2
WORDS = ["what", " does", " this", " do", "?", " é", "日本", "\n", "<|assistant|>", " it", " returns", "🙂"]


@pytest.fixture(scope="module")
def tokenizer():
    return train_bpe(["what does this do? it returns what it is given\n"] * 4, vocab_size=280)


class Given(PreferenceSource):
    """Judged answers given in a list."""

    def __init__(self, judged):
        self.judged = list(judged)

    def __iter__(self):
        return iter(self.judged)

    def fingerprint(self) -> str:
        return hash_json([repr(each) for each in self.judged])


def talk(*said: str, place: str = "a.jsonl:1", **more) -> Conversation:
    turns = tuple(Message(("user", "assistant")[number % 2], content) for number, content in enumerate(said))
    return Conversation(turns, place=place, **more)


def pair(question: str, chosen: str, rejected: str, *, place: str = "a.jsonl:1", margin: float = 0.0, **more):
    sides = (talk(question, answer, place=place, **more) for answer in (chosen, rejected))
    return PreferencePair(*sides, margin=margin)


def random_pairs(count: int = 120, *, seed: int = 0, words: int = 3) -> list[PreferencePair]:
    draw = random.Random(seed)

    def said() -> str:
        return "".join(draw.choices(WORDS, k=draw.randint(1, words))) + "."

    return [pair(f"{n}{said()}", f"{said()}+", said(), place=f"a.jsonl:{n + 1}", margin=n / 4) for n in range(count)]


def of(judged, **options) -> PreferenceData:
    sources = judged if isinstance(judged, dict) else Given(judged)
    return PreferenceData(sources, **{"split": Split(HELD_OUT), "packing": best_fit, **options})


def opened(judged, tokenizer, **options):
    return of(judged, **options).open(tokenizer=tokenizer, context=CONTEXT)


def plan_of(steps: int, *, rows: int = 8, ranks: int = 1, micro: int | None = None) -> Plan:
    micro = micro or rows // ranks
    return Plan(steps, rows, micro, rows // ranks // micro, ranks, 2 * CONTEXT)


def encoded(conversation: Conversation, tokenizer) -> tuple[list[int], list[bool]]:
    return (it := RoleTokenTemplate().encode(conversation, tokenizer)).tokens, it.supervised


@pytest.mark.parametrize("packing", [best_fit, exact_fit])
def test_every_pair_stands_whole_in_one_row_and_only_its_answers_are_supervised(tokenizer, packing):
    pairs = random_pairs()
    data = of(pairs, packing=packing)
    rows = data.open(tokenizer=tokenizer, context=CONTEXT)
    (source,) = rows.sources.values()
    training = [each for each in pairs if not data.split.held_out(each)]
    seen = []
    for index in range(len(source)):
        row = source.row(index)
        assert len(row.tokens) == data.row_tokens(CONTEXT) == 2 * CONTEXT
        assert source.counts[index] == row.supervised.sum()
        assert source.loss_weights[index] == source.amounts[index] == len(row.pair)
        assert (row.documents.max() + 1, (row.tokens[row.documents < 0] == tokenizer.padding).all()) == (
            2 * len(row.pair),
            True,
        )
        for place, number in enumerate(row.pair):
            assert row.margin[place] == np.float32(training[number].margin)
            for side, conversation in enumerate(training[number].sides):
                here = row.documents == 2 * place + side
                tokens, supervised = encoded(conversation, tokenizer)
                assert [*row.tokens[here][:1], *row.targets[here]] == tokens
                assert row.supervised[here].tolist() == supervised[1:]
                assert row.targets[here & row.supervised][-1] == tokenizer.end_of_turn
        seen += row.pair.tolist()
    assert sorted(seen) == list(range(len(training)))
    assert len(source) < len(training), "several pairs stand in a row"


@pytest.mark.parametrize(("ranks", "micro"), [(1, 2), (2, 2), (4, 1)])
def test_ranks_and_micro_batches_divide_the_same_steps_and_every_pair_counts_once(tokenizer, ranks, micro):
    rows = opened(random_pairs(), tokenizer)
    whole = rows.plan(plan_of(4), seed=1).training_batches(0)
    planned = rows.plan(plan_of(4, ranks=ranks, micro=micro), seed=1)
    parts = [planned.training_batches(rank) for rank in range(ranks)]
    micros = 8 // ranks // micro
    for step in range(4):
        batch = whole[step]
        assert isinstance(batch, PreferenceBatch)
        assert batch.denominator == (batch.pair >= 0).sum()
        dealt = [parts[rank][step * micros + m] for m in range(micros) for rank in range(ranks)]
        assert {each.denominator for each in dealt} == {batch.denominator}
        assert torch.equal(torch.cat([each.tokens for each in dealt]), batch.tokens)
        numbers = [number for each in dealt for row in each.pair.tolist() for number in row if number >= 0]
        assert numbers == [number for row in batch.pair.tolist() for number in row if number >= 0]


def test_no_prompt_nor_its_continuation_is_on_both_sides_of_the_split(tokenizer):
    before = [(), ("well", "and"), ("oh", "but")]
    pairs = [
        PreferencePair(
            *(talk(f"question {n % 30}", *before[n % 3], said, place=f"a.jsonl:{n}") for said in ("yes", f"no {n}"))
        )
        for n in range(120)
    ]
    data = of(pairs)
    rows = data.open(tokenizer=tokenizer, context=CONTEXT)
    places = [{place for row in range(len(rows_of)) for place in rows_of.document_names(row)}
              for rows_of in (*rows.sources.values(), rows.validation)]  # fmt: skip
    training, held_out = ({int(place[8:]) % 30 for place in side} for side in places)
    assert training
    assert held_out
    assert not training & held_out
    assert sum(map(len, places)) == len(pairs)


def test_numbers_run_on_over_the_sources_and_start_again_in_the_held_out_rows(tokenizer):
    sources = {"one": Given(random_pairs(40)), "two": Given(random_pairs(50, seed=1))}
    rows = opened(sources, tokenizer, mixture=Weights({"one": 1, "two": 1}))
    numbers = [
        sorted(int(number) for index in range(len(source)) for number in source.row(index).pair)
        for source in (*rows.sources.values(), rows.validation)
    ]
    one, two, held_out = numbers
    assert one + two == list(range(len(one) + len(two)))
    assert held_out == list(range(90 - len(one) - len(two)))
    assert rows.kinds == ["one", "two"]
    planned = rows.plan(plan_of(50), seed=0)
    counted = planned.summarize(50)["sources"]
    assert counted["one"]["share"] == pytest.approx(0.5, abs=0.05), "a mixture counts pairs"


def test_held_out_pairs_are_reported_by_task_if_there_are_several(tokenizer):
    pairs = [replace(each, chosen=replace(each.chosen, task="ab"[n % 2])) for n, each in enumerate(random_pairs(60))]
    rows = opened(pairs, tokenizer)
    assert rows.kinds == ["a", "b"]
    batch = ValidationBatches(rows.validation, rows=4, rank=0, ranks=1)[0]
    assert set(batch.kinds[batch.supervised].tolist()) == {0, 1}
    row = rows.validation.row(0)
    for place, name in enumerate(rows.validation.document_names(0)):
        expected = (int(name.partition(":")[2]) - 1) % 2
        assert set(row.kinds[row.documents // 2 == place]) == {expected}
    assert opened(random_pairs(60), tokenizer).kinds == []


BIG = "what does this do " * 20


def test_a_pair_with_a_side_longer_than_the_context_is_dropped_whole_or_refused(tokenizer):
    pairs = [*random_pairs(20), pair("q", "yes", BIG, place="a.jsonl:77"), pair("r", BIG, "no", place="a.jsonl:78")]
    rows = opened(pairs, tokenizer, split=Split(0.0))
    assert rows.left_out["preferences"]["too long"] == 2
    assert any("2 with a side longer than 64 tokens dropped (the first: a.jsonl:77)" in note for note in rows.notes)
    assert sum(len(rows.sources["preferences"].row(i).pair) for i in range(len(rows))) == 20
    with pytest.raises(
        ValueError, match=r"data\.too_long=refuse: a\.jsonl:77 has a side of \d+ targets, more than the"
    ):
        opened(pairs, tokenizer, split=Split(0.0), too_long="refuse")


def test_a_side_that_just_fits_is_kept(tokenizer):
    longest = next(
        text for text in ("what " * n for n in range(60, 0, -1))
        if len(encoded(talk("q", text), tokenizer)[0]) <= CONTEXT + 1
    )  # fmt: skip
    rows = opened(
        [pair("q", longest, longest + "!")] * 1 + [pair("q", longest, longest[:-1])], tokenizer, split=Split(0.0)
    )
    assert sum(len(rows.sources["preferences"].row(i).pair) for i in range(len(rows))) >= 1


def test_invalid_pairs_are_dropped_and_counted_by_reason_or_refused(tokenizer):
    same = pair("q", "yes", "yes", place="a.jsonl:90")
    other = PreferencePair(talk("q", "yes", place="a.jsonl:91"), talk("r", "no", place="a.jsonl:91"))
    pairs = [*random_pairs(20), same, other]
    rows = opened(pairs, tokenizer)
    assert "preferences: 1 dropped: both sides are the same (the first: a.jsonl:90)" in rows.notes
    assert "preferences: 1 dropped: the sides have different prompts (the first: a.jsonl:91)" in rows.notes
    assert rows.left_out["preferences"]["other"] == 2
    with pytest.raises(
        ValueError, match=r"a\.jsonl:90: both sides are the same: .*data\.invalid=drop drops such pairs"
    ):
        opened(pairs, tokenizer, invalid="refuse")
    with pytest.raises(ValueError, match=r"4 of 7 pairs of data\.preferences cannot be trained on: .*chosen_field"):
        opened([*random_pairs(3), *[same] * 4], tokenizer)


def test_a_pair_that_stands_twice_is_read_once_and_its_opposite_is_named(tokenizer):
    again = replace(pair("q", "yes", "no"), chosen=talk("q", "yes", place="a.jsonl:5"))
    pairs = [*random_pairs(10), pair("q", "yes", "no"), again, pair("q", "no", "yes", place="a.jsonl:9")]
    notes = opened(pairs, tokenizer).notes
    assert any("1 dropped: the same as an earlier one (the first: a.jsonl:5, as a.jsonl:1)" in note for note in notes)
    assert any("1 say the opposite of an earlier one (the first: a.jsonl:9 and a.jsonl:1)" in note for note in notes)
    kept = opened(pairs, tokenizer, duplicates="keep", split=Split(0.0))
    assert sum(kept.sources["preferences"].amounts) == len(pairs)


def test_some_pairs_are_taken_and_more_are_added_by_a_larger_number(tokenizer):
    pairs = random_pairs(80)
    few, more = (
        {name for row in range(len(rows)) for name in rows.sources["preferences"].document_names(row)}
        for rows in (opened(pairs, tokenizer, max_examples=count) for count in (10, 25))
    )
    assert (len(few), len(more)) == (10, 25)
    assert few < more


def labelled(count: int = 40) -> list[LabelledAnswer]:
    return [
        LabelledAnswer(talk(f"{n} what?", f"it returns {n}", place=f"k.jsonl:{n + 1}"), desirable=n % 3 > 0)
        for n in range(count)
    ]


def test_labelled_answers_are_documents_with_a_label(tokenizer):
    answers = labelled()
    data = of(answers)
    rows = data.open(tokenizer=tokenizer, context=CONTEXT)
    training = [each for each in answers if not data.split.held_out(each)]
    batch = rows.plan(plan_of(1), seed=0).training_batches(0)[0]
    assert isinstance(batch, LabelledBatch)
    assert batch.denominator == (batch.example >= 0).sum()
    for row, numbers in enumerate(batch.example.tolist()):
        for place, number in enumerate(number for number in numbers if number >= 0):
            here = batch.documents[row] == place
            tokens, supervised = encoded(training[number].conversation, tokenizer)
            assert [batch.tokens[row][here][0].item(), *batch.targets[row][here].tolist()] == tokens
            assert batch.supervised[row][here].tolist() == supervised[1:]
            assert batch.desirable[row, place] == training[number].desirable
    assert any("of them desirable" in note for note in rows.notes)


def test_pairs_and_labelled_answers_are_not_mixed(tokenizer):
    with pytest.raises(ValueError, match=r"one has pairs and two has labelled answers: train on one kind at a time"):
        opened({"one": Given(random_pairs(9)), "two": Given(labelled(9))}, tokenizer)


def test_a_packing_that_cuts_is_refused(tokenizer):
    with pytest.raises(ValueError, match=r"data\.packing cuts pairs in two: take lm\.data\.packing\.best_fit"):
        opened(random_pairs(), tokenizer, packing=cut)


def test_a_source_of_which_nothing_remains_is_named(tokenizer):
    with pytest.raises(ValueError, match=r"preferences has nothing to train on \(0 are held out; 1 with a side longer"):
        opened([pair("q", "yes", BIG)], tokenizer, split=Split(0.0))


def test_a_sketch_counts_what_opening_finds(tokenizer):
    pairs = random_pairs(200)
    sketched, read = of(pairs).sketch(tokenizer=tokenizer, context=CONTEXT), opened(pairs, tokenizer)
    assert len(sketched) == pytest.approx(len(read), rel=0.1)
    assert sketched.sources["preferences"].amounts.sum() == pytest.approx(read.sources["preferences"].amounts.sum())
    assert sketched.sources["preferences"].loss_targets == pytest.approx(
        read.sources["preferences"].counts.sum(), rel=0.01
    )


def test_the_prompt_is_shown_once_and_both_sides_are_marked(tokenizer):
    rows = opened([pair("what?", "it does", "no")], tokenizer, split=Split(0.0))
    stream = io.StringIO()
    show_rows(rows.sources["preferences"], 1, tokenizer, stream=stream)
    _, *lines = stream.getvalue().splitlines()
    assert lines[:4] == [
        "<document><user>what?<end_of_turn>",
        "<assistant>",
        "chosen: [[it does<end_of_turn>]]",
        "rejected: [[no<end_of_turn>]]",
    ]
    assert lines[4].startswith("<padding> × ")
    stream = io.StringIO()
    show_rows(opened(labelled(1), tokenizer, split=Split(0.0)).sources["preferences"], 1, tokenizer, stream=stream)
    assert "undesirable: <document><user>0 what?" in stream.getvalue()


def test_order_resumes_by_arithmetic(tokenizer):
    plan = plan_of(6, micro=2)
    batches = opened(random_pairs(), tokenizer).plan(plan, seed=3).training_batches(0)
    again: TrainingBatches = opened(random_pairs(), tokenizer).plan(plan, seed=3).training_batches(0)
    for index in (17, 4, 9):
        assert torch.equal(batches[index].pair, again[index].pair)
        assert torch.equal(batches[index].tokens, again[index].tokens)


@pytest.mark.parametrize("method", ["open", "sketch"])
def test_a_model_that_was_never_tuned_is_refused_for_pairs_too_unless_the_template_is_named(
    method, tokenizer, tmp_path
):
    def rows(**template):
        made = of(random_pairs(9), recorded=RecordedTemplate(str(tmp_path)), **template)
        return getattr(made, method)(tokenizer=tokenizer, context=CONTEXT)

    with pytest.raises(ValueError, match=rf"model\.path={tmp_path} was never tuned .*lm instruct model\.path="):
        rows()
    assert len(rows(template=RoleTokenTemplate())) >= 1
    record_template(tmp_path, RoleTokenTemplate())
    assert len(rows()) >= 1
