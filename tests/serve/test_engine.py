"""Requests come, are cancelled and fail at any time, and the others do not notice."""

import gc
import threading
from dataclasses import replace

import pytest
import torch

from lm.generation import Sampling
from lm.serve import Busy, Closed, Engine, Request, Update
from support.engines import TOKENIZER, Asked, an_engine, answered
from support.small_models import small_model

GREEDY = Sampling(temperature=0)
SHORT = Request(prompt=list(b"hello"), sampling=GREEDY, max_tokens=6, stop_tokens=[])
LONG = Request(prompt=list(range(40)), sampling=GREEDY, max_tokens=10, stop_tokens=[])


@pytest.fixture(scope="module")
def model():
    return small_model(TOKENIZER)


@pytest.fixture(scope="module")
def alone(model) -> Asked:
    return answered(an_engine(model), [SHORT])[0]


@pytest.fixture
def engine(model) -> Engine:
    return an_engine(model, slots=2, prefill_tokens=8)


def steps(engine: Engine, count: int) -> None:
    for _ in range(count):
        engine.step()


@pytest.mark.parametrize(("taken", "state"), [(0, "queued"), (2, "reading"), (8, "writing")])
def test_a_request_is_cancelled_in_every_state_within_a_step_and_its_slot_serves_another(engine, alone, taken, state):
    others = [Asked(engine, LONG) for _ in range(2)] if state == "queued" else []
    asked = Asked(engine, LONG)
    steps(engine, taken)
    assert (asked.reason, bool(asked.tokens)) == ("", state == "writing")
    asked.ticket.cancel()
    engine.step()
    assert asked.reason == "cancelled"
    counters, known = engine.counters(), len(asked.updates)
    assert (counters.running, counters.waiting, counters.cancelled) == (len(others), 0, 1)
    last = Asked(engine, SHORT)
    steps(engine, 40)
    asked.ticket.cancel()  # and once more, which changes nothing
    steps(engine, 1)
    assert len(asked.updates) == known
    assert (last.text, [each.reason for each in others]) == (alone.text, ["length"] * len(others))
    counters = engine.counters()
    assert (counters.running, counters.waiting, counters.cancelled, counters.failed) == (0, 0, 1, 0)
    assert counters.finished == counters.requests - 1


def test_work_stops_when_nobody_waits(engine):
    asked = Asked(engine, replace(SHORT, max_tokens=50))
    steps(engine, 3)
    asked.ticket.cancel()
    engine.step()
    generated = engine.counters().generated_tokens
    steps(engine, 5)
    assert engine.counters().generated_tokens == generated == 3


def test_those_that_wait_for_a_prompt_that_another_reads_go_on_when_it_is_cancelled(model):
    engine = an_engine(model, slots=4, prefill_tokens=8)
    first, second, third = (Asked(engine, replace(LONG, choice=choice)) for choice in range(3))
    steps(engine, 2)
    first.ticket.cancel()
    steps(engine, 30)
    assert second.tokens == third.tokens == answered(an_engine(model), [LONG])[0].tokens


def test_a_receiver_that_raises_ends_its_own_request_alone(engine, alone):
    seen = []

    def broken(update: Update) -> None:
        seen.append(update.reason)
        raise OSError("gone")

    other = Asked(engine, SHORT)
    engine.submit(SHORT, broken)
    steps(engine, 20)
    assert (other.text, other.reason, seen) == (alone.text, "length", ["", "failed"])
    counters = engine.counters()
    assert (counters.running, counters.finished, counters.failed) == (0, 1, 1)


@pytest.mark.parametrize("method", ["read", "extend"])
def test_a_step_that_fails_ends_whom_it_served_with_words_and_the_engine_goes_on(engine, alone, monkeypatch, method):
    def fail(*_, **__):
        monkeypatch.undo()
        raise RuntimeError("out of memory")

    first = Asked(engine, SHORT)
    waiting = [Asked(engine, SHORT) for _ in range(3)]
    monkeypatch.setattr(engine._batch.slots, method, fail)
    steps(engine, 40)
    assert (first.reason, first.updates[-1].error) == ("failed", "RuntimeError: out of memory")
    assert waiting[-1].text == alone.text
    counters = engine.counters()
    assert counters.finished + counters.failed == 4
    assert counters.failed <= 2


def test_logits_that_are_not_finite_fail_a_request_and_not_the_others(model):
    spoiled = small_model(TOKENIZER)
    with torch.no_grad():
        spoiled.embedding.weight[7] = torch.nan
    engine = an_engine(spoiled)
    engine._work._project = lambda features: torch.nn.functional.linear(features, model.embedding.weight)
    bad, good = Asked(engine, replace(SHORT, prompt=[7])), Asked(engine, SHORT)
    steps(engine, 10)
    assert (bad.reason, good.reason) == ("failed", "length")
    assert "not finite" in bad.updates[-1].error


def test_everyone_writes_in_each_step_while_a_long_prompt_is_read_and_short_ones_pass_it(model):
    engine = an_engine(model, slots=8, prefill_tokens=16, chunk=8, prefixes=False)
    writer = Asked(engine, replace(SHORT, max_tokens=30))
    engine.step()
    long = Asked(engine, replace(LONG, prompt=list(range(56)), max_tokens=2))
    for number in range(6):
        short = Asked(engine, replace(SHORT, max_tokens=1))
        before = len(writer.tokens)
        engine.step()
        assert len(writer.tokens) == before + 1
        assert short.reason == "length", number  # within a step
    engine.step()
    assert len(long.tokens) == 1  # half of each step's limit is for the one that came first


def test_choices_of_one_prompt_read_it_once_and_a_later_one_does_not_read_it_either(model, monkeypatch):
    engine = an_engine(model, slots=4)
    read = []
    original = engine._batch.slots.read
    monkeypatch.setattr(
        engine._batch.slots,
        "read",
        lambda slot, tokens, **rest: read.append(len(tokens)) or original(slot, tokens, **rest),
    )
    drawn = [
        replace(LONG, sampling=Sampling(), seed=3, choice=choice, alternatives=1, echo=True) for choice in range(6)
    ]
    together = answered(engine, drawn)
    assert sum(read) == len(LONG.prompt)
    assert [each.ticket.cached_prompt_tokens for each in together] == [0, 40, 40, 40, 40, 40]
    assert len({each.text for each in together}) == 6
    fresh = [answered(an_engine(model, prefixes=False), [request])[0] for request in drawn]
    assert [each.updates for each in together] == [each.updates for each in fresh]
    counters = engine.counters()
    assert (counters.prompt_tokens, counters.cached_prompt_tokens) == (240, 200)


@pytest.mark.parametrize("apart", [False, True], ids=["at once", "one after the other"])
def test_prompts_that_begin_alike_are_read_in_whole_chunks_from_where_they_differ(model, apart):
    engine = an_engine(model, slots=3, chunk=8)
    requests = [replace(SHORT, prompt=[*range(20), 100 + number, 7], max_tokens=3) for number in range(5)]
    asked = [answered(engine, [each])[0] for each in requests] if apart else answered(engine, requests)
    assert [each.ticket.cached_prompt_tokens for each in asked] == [0, 16, 16, 16, 16]


def test_without_prefixes_every_prompt_is_read(model):
    engine = an_engine(model, prefixes=False)
    answered(engine, [LONG, LONG])
    assert engine.counters().cached_prompt_tokens == 0


def test_a_stop_string_ends_a_text_and_is_not_shown(model):
    request = replace(SHORT, max_tokens=20)
    (whole,) = answered(an_engine(model), [request])
    stop = whole.text[4:6]
    (cut,) = answered(an_engine(model), [replace(request, stop=[stop])])
    assert (cut.reason, cut.text) == ("stop_string", whole.text[: whole.text.index(stop)])
    end = whole.tokens[3]
    (ended,) = answered(an_engine(model), [replace(request, stop_tokens=[end])])
    assert (ended.reason, ended.tokens) == ("stop_token", whole.tokens[: whole.tokens.index(end) + 1])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prompt": []}, "prompt is empty"),
        ({"prompt": [1, 99_999]}, "contains token 99999"),
        ({"prompt": [-1]}, "contains token -1"),
        ({"max_tokens": 0}, "max_tokens 0 is below 1"),
        ({"max_tokens": -1, "echo": True}, "max_tokens -1"),
        ({"max_tokens": 60}, "exceed the context of 64"),
        ({"alternatives": -1}, "alternatives -1"),
        ({"stop": ["a", ""]}, "empty string"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_cannot_be_answered_is_refused_in_words(engine, changes, words):
    with pytest.raises(ValueError, match=words):
        engine.submit(replace(SHORT, **changes), print)
    assert engine.counters().requests == 0


@pytest.mark.parametrize(
    "options", [{"slots": 0}, {"prefill_tokens": 0}, {"queue": -1}, {"context": 0}, {"context": 65}]
)
def test_sizes_that_serve_nobody_are_refused(model, options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} "):
        an_engine(model, **options)


def test_a_model_of_another_class_is_refused_by_name():
    with pytest.raises(ValueError, match=r"Linear is no lm\.model\.Transformer"):
        an_engine(torch.nn.Linear(2, 2))


def test_a_full_queue_and_a_closed_engine_take_no_more(model):
    engine = an_engine(model, slots=1, queue=1)
    asked = [Asked(engine, SHORT) for _ in range(2)]
    with pytest.raises(Busy, match="queue of 1 is full"):
        engine.submit(SHORT, print)
    engine.start()
    engine.close(drain=True, seconds=60)
    assert [each.reason for each in asked] == ["length"] * 2
    with pytest.raises(Closed, match="closing"):
        engine.submit(SHORT, print)


@pytest.mark.parametrize("started", [True, False])
def test_closing_without_time_ends_everyone_with_words(model, started):
    engine = an_engine(model, slots=1)
    asked = [Asked(engine, replace(LONG, max_tokens=24)) for _ in range(3)]
    engine.step()
    if started:
        engine.start()
    engine.close(drain=False)
    assert {each.reason for each in asked[1:]} == {"failed"}
    assert asked[-1].updates[-1].error == "the server is closing"
    assert engine.counters().running == engine.counters().waiting == 0


def test_requests_of_many_threads_are_all_answered(model, alone):
    engine = an_engine(model, slots=3)
    engine.start()
    texts = []

    def ask() -> None:
        for _ in range(4):
            pieces, done = [], threading.Event()

            def deliver(update: Update, pieces=pieces, done=done) -> None:
                pieces.append(update.text)
                if update.reason:
                    done.set()

            engine.submit(SHORT, deliver)
            assert done.wait(timeout=60)
            texts.append("".join(pieces))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.close()
    assert texts == [alone.text] * 24


def test_memory_is_flat_over_a_thousand_requests(model):
    engine = an_engine(model, slots=16)
    sizes = []
    for _ in range(4):
        asked = [
            Asked(engine, replace(SHORT, prompt=[number % 50] * (1 + number % 9), max_tokens=1, choice=number))
            for number in range(250)
        ]
        for each in asked[::10]:
            each.ticket.cancel()
        while engine.counters().running or engine.counters().waiting:
            engine.step()
        del asked, each
        gc.collect()
        sizes.append(len(gc.get_objects()))
    assert engine.counters().finished + engine.counters().cancelled == 1000
    assert max(sizes[1:]) - min(sizes[1:]) < 100, sizes
