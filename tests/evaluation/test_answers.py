"""Only held-out questions are asked, evenly spaced, and a match is the exact answer with its end of turn."""

from functools import partial
from math import log

import pytest
import torch
from tokenizers.normalizers import NFKC
from torch.nn import functional as F

from lm.conversation import Conversation, Message, RoleTokenTemplate
from lm.conversation.sources import MessageLists
from lm.corpus import Split
from lm.evaluation import Answers
from lm.evaluation.answers import Question, _evenly_spaced, _scores
from lm.generation import Completion, Sampling
from lm.model import Attention, SwiGLU, Transformer
from lm.tokenizer import byte_tokenizer, train_bpe
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
    given = {"template": RoleTokenTemplate(), "split": SPLIT, "max_tokens": 4, "sampling": Sampling(temperature=0)}
    return Answers(conversations, **{**given, **options})


def test_every_held_out_question_is_asked_and_none_of_training(model):
    held_out = [one for one in TALKS if SPLIT.held_out(one)]
    results = answers(max_questions=1000)(model, byte_tokenizer([]))
    assert results["all"]["questions"] == len(held_out)
    for task in ("sums", "words"):
        assert results[task]["questions"] == sum(one.task == task for one in held_out)
    assert list(results)[-1] == "all"


def test_max_questions_bounds_the_number_and_batches_change_nothing(model):
    few = answers(max_questions=10, rows=3)(model, byte_tokenizer([]))
    assert few["all"]["questions"] == 10
    assert few == answers(max_questions=10, rows=10)(model, byte_tokenizer([]))


def test_questions_are_evenly_spaced():
    assert _evenly_spaced(list(range(10)), 3) == [0, 3, 6]
    assert _evenly_spaced([1, 2], 5) == [1, 2]


@pytest.mark.parametrize(
    ("text", "reason", "ended", "matches"),
    [
        ("four", "stop_token", 1, 1),
        ("four", "length", 0, 0),
        ("Four", "stop_token", 1, 0),
        ("four ", "stop_token", 1, 0),
    ],
)
def test_a_match_is_the_exact_answer_with_its_end_of_turn(text, reason, ended, matches):
    scores = _scores([(Question([0], "four", [1], "sums"), Completion(text, [], reason), 2.0)])
    assert (scores["questions"], scores["ends_turn"], scores["word_for_word"]) == (1, ended, matches)


def test_the_most_frequent_answer_is_per_task_and_bits_are_per_byte_of_answers():
    rows = [("sums", "4", 1.0), ("sums", "4", 2.0), ("sums", "5", 3.0), ("words", "né", 4.0), ("words", "a", None)]
    done = [(Question([0], answer, [1], task), Completion("4", [], "stop_token"), nats) for task, answer, nats in rows]
    scores = _scores(done)
    assert scores["commonest"] == 3 / 5  # two of the sums, one of the words
    assert scores["word_for_word"] == 2 / 5
    assert scores["bits_per_byte"] == pytest.approx(10 / 6 / log(2))  # answers that do not fit count in neither
    assert _scores(done[4:])["bits_per_byte"] is None


def test_bits_equal_those_of_a_plain_forward_pass(model):
    tokenizer = byte_tokenizer([])
    evaluation = answers(max_questions=1000, max_tokens=20)
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


def test_answers_that_do_not_fit_do_not_count_in_bits(model):
    long = [Conversation((Message("user", f"{n}?"), Message("assistant", "x" * 80)), task="long") for n in range(50)]
    found = answers([*TALKS, *long], max_questions=1000)(model, byte_tokenizer([]))
    assert found["long"]["questions"] > 0
    assert found["long"]["bits_per_byte"] is None
    assert found["all"]["bits_per_byte"] == pytest.approx(
        answers(max_questions=1000)(model, byte_tokenizer([]))["all"]["bits_per_byte"]
    )


@pytest.mark.parametrize("option", OPTIONS)
def test_the_expected_answer_is_the_supervised_text_before_the_stop_token(option):
    tokenizer, evaluation = byte_tokenizer([]), answers(template=template_of(option))
    each = evaluation._questions(1000, tokenizer)[0]
    assert each.tokens[-1] == evaluation.template.stop_tokens(tokenizer)[0]
    assert tokenizer.decode(each.tokens[:-1]) == each.answer


def test_the_expected_answer_is_as_the_tokenizer_reads_it():
    tokenizer = train_bpe(["five four three"] * 9, vocab_size=270, normalizer=NFKC())
    asked = answers([talk(n, answer="\ufb01ve") for n in range(20)])
    assert {question.answer for question in asked._questions(64, tokenizer)} == {"five"}


def test_sampling_is_configurable(model):
    drawn = answers(sampling=Sampling(temperature=1.0), max_tokens=40)
    tokenizer = byte_tokenizer([])
    assert drawn(model, tokenizer)["all"]["ends_turn"] > answers(max_tokens=40)(model, tokenizer)["all"]["ends_turn"]


def test_faulty_conversations_are_skipped(model):
    empty = [Conversation((Message("user", f"{n}?"), Message("assistant", "")), task="sums") for n in range(50)]
    assert answers([*TALKS, *empty]).fingerprint() == answers().fingerprint()


@pytest.mark.parametrize("name", ["", ".mine"])
def test_errors_of_a_source_name_its_own_key(model, tmp_path, name):
    (tmp_path / "a.jsonl").write_text('{"messages": [{"role": "Bot", "content": "hi"}]}\n')
    source = MessageLists(str(tmp_path / "a.jsonl"))
    with pytest.raises(ValueError, match=rf"\+evaluations\.answers\.conversations{name}\.roles\.Bot=assistant"):
        answers({"mine": source} if name else source)(model, byte_tokenizer([]))


def test_an_answer_that_is_not_learned_is_not_asked_for(model):
    unlearned = [Conversation((one.messages[0], Message("assistant", "x", supervised=False))) for one in TALKS]
    results = answers([*TALKS, *unlearned], max_questions=1000)(model, byte_tokenizer([]))
    assert results == answers(max_questions=1000)(model, byte_tokenizer([]))


def test_several_sources_are_asked_together(model):
    both = answers({"one": TALKS[:150], "other": TALKS[150:]}, max_questions=1000)(model, byte_tokenizer([]))
    assert both == answers(max_questions=1000)(model, byte_tokenizer([]))


def test_the_fingerprint_depends_on_held_out_conversations_only():
    trained = next(n for n, one in enumerate(TALKS) if not SPLIT.held_out(one))
    held_out = next(n for n, one in enumerate(TALKS) if SPLIT.held_out(one))
    reference = answers().fingerprint()
    assert answers(TALKS[:trained] + TALKS[trained + 1 :]).fingerprint() == reference
    assert answers(TALKS[:held_out] + TALKS[held_out + 1 :]).fingerprint() != reference


def test_max_tokens_without_room_and_zero_questions_are_refused(model):
    with pytest.raises(ValueError, match=r"leaves room for max_tokens=60 in the context of 64"):
        answers(max_tokens=60)(model, byte_tokenizer([]))
    with pytest.raises(ValueError, match=r"evaluations\.answers\.max_questions=0: must be at least 1"):
        answers(max_questions=0)


def test_the_table_has_one_line_per_task(model):
    evaluation = answers()
    lines = evaluation.table(evaluation(model, byte_tokenizer([]))).splitlines()
    assert [line.split()[0] for line in lines] == ["held-out", "sums", "words", "all"]
    assert len({len(line) for line in lines}) == 1
