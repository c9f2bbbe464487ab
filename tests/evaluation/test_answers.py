"""Only held-out questions are asked, spread evenly, and right is what is the same to the letter and has ended."""

from functools import partial
from math import log

import pytest
import torch
from torch.nn import functional as F

from lm.conversation import Conversation, Message, RoleTokens
from lm.corpus import Split
from lm.evaluation import Answers
from lm.evaluation.answers import Asked, _judged, _spread, wilson
from lm.generation import Completion, Sampling
from lm.model import Attention, SwiGLU, Transformer
from lm.tokenizer import byte_tokenizer
from support.talks import OPTIONS, template_of


def talk(number: int, task: str = "sums", answer: str = "four") -> Conversation:
    return Conversation((Message("user", f"What is {number}?"), Message("assistant", answer)), task=task)


TALKS = [talk(n, task="sums" if n % 3 else "words") for n in range(300)]
SPLIT = Split(0.2)


@pytest.fixture(scope="module")
def model() -> Transformer:
    torch.manual_seed(0)
    return Transformer(
        vocab_size=262, context=64, dim=8, layers=1, attention=partial(Attention, heads=1), feedforward=SwiGLU
    ).eval()


def answers(conversations=TALKS, **options) -> Answers:
    given = {"template": RoleTokens(), "split": SPLIT, "max_tokens": 4, "sampling": Sampling(temperature=0)}
    return Answers(conversations, **{**given, **options})


def test_every_held_out_question_is_asked_and_none_of_training(model):
    held_out = [one for one in TALKS if SPLIT.held_out(one)]
    results = answers(questions=1000)(model, byte_tokenizer([]))
    assert results["all"]["questions"] == len(held_out)
    for task in ("sums", "words"):
        assert results[task]["questions"] == sum(one.task == task for one in held_out)
    assert list(results)[-1] == "all"


def test_no_more_than_wanted_are_asked_and_batches_change_nothing(model):
    few = answers(questions=10, rows=3)(model, byte_tokenizer([]))
    assert few["all"]["questions"] == 10
    assert few == answers(questions=10, rows=10)(model, byte_tokenizer([]))


def test_those_asked_are_spread_evenly():
    assert _spread(list(range(10)), 3) == [0, 3, 6]
    assert _spread([1, 2], 5) == [1, 2]


@pytest.mark.parametrize(
    ("text", "reason", "ended", "right"),
    [
        ("four", "stop_token", 1, 1),
        ("four", "length", 0, 0),
        ("Four", "stop_token", 1, 0),
        ("four ", "stop_token", 1, 0),
    ],
)
def test_right_is_the_same_to_the_letter_and_ended(text, reason, ended, right):
    found = _judged([(Asked([0], "four", [1], "sums"), Completion(text, [], reason), 2.0)])
    assert (found["questions"], found["ends_turn"], found["word_for_word"]) == (1, ended, right)


def test_the_commonest_answer_is_that_of_each_task_and_bits_are_over_bytes_of_answers():
    said = [("sums", "4", 1.0), ("sums", "4", 2.0), ("sums", "5", 3.0), ("words", "né", 4.0), ("words", "a", None)]
    done = [(Asked([0], answer, [1], task), Completion("4", [], "stop_token"), nats) for task, answer, nats in said]
    found = _judged(done)
    assert found["commonest"] == 3 / 5  # two of the sums, one of the words
    assert found["word_for_word"] == 2 / 5
    assert found["bits_per_byte"] == pytest.approx(10 / 6 / log(2))  # what does not fit counts on neither side
    assert _judged(done[4:])["bits_per_byte"] is None


@pytest.mark.parametrize(
    ("right", "asked", "expected"),
    [(0, 10, (0.0, 0.2775)), (81, 263, (0.2553, 0.3662)), (15, 148, (0.0624, 0.1605)), (10, 10, (0.7225, 1.0))],
)
def test_intervals_are_those_published(right, asked, expected):
    """Newcombe 1998 (Statistics in Medicine 17, table I, method 3)."""
    assert wilson(right, asked) == pytest.approx(expected, abs=5e-5)


def test_bits_are_those_of_a_plain_forward_pass(model):
    tokenizer = byte_tokenizer([])
    evaluation = answers(questions=1000, max_tokens=20)
    nats = size = 0
    for one in evaluation._held_out():
        prompt = evaluation.template.prompt(one.messages[:-1], tokenizer)
        answer = [*tokenizer.encode("four"), tokenizer.end_of_turn]
        losses = F.cross_entropy(
            model(torch.tensor([prompt + answer])[:, :-1])[0].double(),
            torch.tensor((prompt + answer)[1:]),
            reduction="none",
        )
        nats, size = nats + losses[-5:].sum().item(), size + 4
    found = evaluation(model, tokenizer)
    assert found["all"]["bits_per_byte"] == pytest.approx(nats / size / log(2), rel=1e-5)


def test_answers_that_do_not_fit_cost_no_bits(model):
    long = [Conversation((Message("user", f"{n}?"), Message("assistant", "x" * 80)), task="long") for n in range(50)]
    found = answers([*TALKS, *long], questions=1000)(model, byte_tokenizer([]))
    assert found["long"]["questions"] > 0
    assert found["long"]["bits_per_byte"] is None
    assert found["all"]["bits_per_byte"] == pytest.approx(
        answers(questions=1000)(model, byte_tokenizer([]))["all"]["bits_per_byte"]
    )


@pytest.mark.parametrize("option", OPTIONS)
def test_right_is_what_was_taught_before_the_stop_token(option):
    tokenizer, evaluation = byte_tokenizer([]), answers(template=template_of(option))
    each = evaluation._asked(1000, tokenizer)[0]
    assert each.tokens[-1] == evaluation.template.stop_tokens(tokenizer)[0]
    assert tokenizer.decode(each.tokens[:-1]) == each.answer


def test_a_sampling_other_than_greedy_is_taken(model):
    drawn = answers(sampling=Sampling(temperature=1.0), max_tokens=40)
    tokenizer = byte_tokenizer([])
    assert drawn(model, tokenizer)["all"]["ends_turn"] > answers(max_tokens=40)(model, tokenizer)["all"]["ends_turn"]


def test_what_nothing_could_be_learned_from_is_not_asked(model):
    empty = [Conversation((Message("user", f"{n}?"), Message("assistant", "")), task="sums") for n in range(50)]
    assert answers([*TALKS, *empty]).fingerprint() == answers().fingerprint()


def test_several_sources_are_asked_together(model):
    both = answers({"one": TALKS[:150], "other": TALKS[150:]}, questions=1000)(model, byte_tokenizer([]))
    assert both == answers(questions=1000)(model, byte_tokenizer([]))


def test_the_fingerprint_is_that_of_what_is_asked():
    trained = next(n for n, one in enumerate(TALKS) if not SPLIT.held_out(one))
    asked = next(n for n, one in enumerate(TALKS) if SPLIT.held_out(one))
    reference = answers().fingerprint()
    assert answers(TALKS[:trained] + TALKS[trained + 1 :]).fingerprint() == reference
    assert answers(TALKS[:asked] + TALKS[asked + 1 :]).fingerprint() != reference


def test_what_leaves_no_room_or_asks_for_nothing_is_refused(model):
    with pytest.raises(ValueError, match=r"leaves room for max_tokens=60 in the context of 64"):
        answers(max_tokens=60)(model, byte_tokenizer([]))
    with pytest.raises(ValueError, match=r"evaluations\.answers\.questions=0: must be at least 1"):
        answers(questions=0)


def test_the_table_has_a_line_a_task(model):
    evaluation = answers()
    lines = evaluation.table(evaluation(model, byte_tokenizer([]))).splitlines()
    assert [line.split()[0] for line in lines] == ["held-out", "sums", "words", "all"]
    assert len({len(line) for line in lines}) == 1
