"""Held-out prompts are answered and scored: pass@k, mean reward and KL are those of the answers that were drawn."""

from functools import partial
from itertools import combinations
from statistics import mean

import pytest
import torch

from lm.conversation import Conversation, Message, RoleTokenTemplate
from lm.corpus import Split
from lm.evaluation import RewardedAnswers
from lm.evaluation.graded import Graded, scores_of
from lm.generation import Completion, Generator, Sampling, random_generator
from lm.model import Attention, ModelSource, SwiGLU, Transformer
from lm.reward import Answer, AnswerReward, ExactAnswer, Length, RewardSum
from lm.tokenizer import byte_tokenizer
from lm.tools import Calculator

TALKS = [
    Conversation((Message("user", f"{n}?"), Message("assistant", f"{n % 7}")), task="ab"[n % 2]) for n in range(100)
]
SPLIT = Split(0.2)
HELD_OUT = [talk for talk in TALKS if SPLIT.held_out(talk)]


class Even(AnswerReward):
    """1 for texts of an even number of characters; None where there is none."""

    def score(self, answer: Answer) -> float | None:
        return None if not answer.text else float(len(answer.text) % 2 == 0)


def model(seed: int = 0) -> Transformer:
    torch.manual_seed(seed)
    return Transformer(
        vocab_size=262, context=64, dim=8, layers=1, attention=partial(Attention, heads=1), feedforward=SwiGLU
    ).eval()


class Before(ModelSource):
    """The model of a seed."""

    def __init__(self, seed: int):
        self.seed = seed

    def build(self, *, vocab_size):
        return model(self.seed)

    outline = describe = build

    def fingerprint(self):
        return {"model": f"seed {self.seed}"}


def evaluation(conversations=TALKS, *, reward=None, **options) -> RewardedAnswers:
    given = {"template": RoleTokenTemplate(), "split": SPLIT, "max_tokens": 5, "samples": 4}
    given |= {"sampling": Sampling(temperature=1.0), "reward": reward or RewardSum({"even": Even()})}
    return RewardedAnswers(conversations, **{**given, **options})


def test_every_held_out_prompt_is_asked_and_none_of_training():
    results = evaluation()(model(), byte_tokenizer([]))
    assert results["all"]["prompts"] == len(HELD_OUT) == results["a"]["prompts"] + results["b"]["prompts"]
    assert evaluation(max_prompts=5)(model(), byte_tokenizer([]))["all"]["prompts"] == 5


def test_scores_are_those_of_the_answers_drawn_one_at_a_time():
    network, tokenizer, template = model(), byte_tokenizer([]), RoleTokenTemplate()
    found = evaluation(max_prompts=6)(network, tokenizer)["all"]
    rewards, lengths = [], []
    for number in range(6):
        talk = HELD_OUT[number * len(HELD_OUT) // 6]
        tokens = template.prompt(talk.messages[:-1], tokenizer)
        for sample in range(4):
            (drawn,) = Generator(network, tokenizer).generate(
                [tokens],
                sampling=Sampling(temperature=1.0),
                max_tokens=5,
                stop_tokens=template.stop_tokens(tokenizer),
                generators=[random_generator(number, sample)],
            )
            text = template.content(drawn.text, tokenizer)
            rewards.append(float(len(text) % 2 == 0) if text else None)
            lengths.append(len(drawn.tokens))
    known = [value for value in rewards if value is not None]
    groups = [[value for value in rewards[4 * n : 4 * n + 4] if value is not None] for n in range(6)]
    assert found["reward"] == pytest.approx(mean(map(mean, filter(None, groups))))
    assert found["unscorable"] == 24 - len(known)
    assert found["tokens"] == mean(lengths)
    assert found["pass_at"]["1"] == pytest.approx(sum(known) / 24)  # what is not scorable does not solve
    assert found["pass_at"]["4"] == mean(any(group) for group in groups)


def test_rows_at_once_change_nothing():
    few = evaluation(max_prompts=7, rows=4, reference=Before(1))(model(), byte_tokenizer([]))
    many = evaluation(max_prompts=7, rows=64, reference=Before(1))(model(), byte_tokenizer([]))
    assert few["all"].pop("kl") == pytest.approx(many["all"].pop("kl"), rel=1e-5)
    assert few["all"] == many["all"]


def test_kl_is_zero_from_the_same_model_and_positive_from_another():
    own = evaluation(reference=Before(0))(model(), byte_tokenizer([]))
    other = evaluation(reference=Before(1))(model(), byte_tokenizer([]))
    assert own["all"]["kl"] == pytest.approx(0, abs=1e-6)
    assert other["all"]["kl"] > 0.01
    assert evaluation()(model(), byte_tokenizer([]))["all"]["kl"] is None


def test_pass_at_k_is_the_share_of_draws_of_k_with_a_solution():
    answer = Answer(text="x", tokens=1)
    rewards = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, None], [0.0, 0.0, 0.0, 0.0]]
    prompt = type("P", (), {"task": "t"})()
    graded = [Graded(prompt, (answer, 1.0), [(answer, value) for value in row], {"r": row}, None) for row in rewards]
    found = scores_of(graded, solved=1.0)["pass_at"]
    for k in (1, 2, 4):
        shares = [mean(any(value == 1.0 for value in draw) for draw in combinations(row, k)) for row in rewards]
        assert found[str(k)] == pytest.approx(mean(shares)), k


def test_parts_of_the_reward_are_reported_by_name_and_shown():
    reward = RewardSum({"even": Even(), "length": Length(per_token=0.1)}, weights={"length": 0})
    given = evaluation(reward=reward)
    results = given(model(), byte_tokenizer([]))
    assert results["all"]["parts"]["length"] == pytest.approx(0.1 * results["all"]["tokens"])
    table = given.table(results)
    assert all(word in table for word in ("pass@4", "greedy pass", "reward"))
    assert table.count("user: ") == 3


def test_prompts_that_cannot_be_used_are_refused_in_words():
    with pytest.raises(ValueError, match="no held-out prompt leaves room for max_tokens=64 in the context of 64"):
        evaluation(max_tokens=64)(model(), byte_tokenizer([]))
    asked = [Conversation((Message("user", f"{n}?"),), place=f"row {n}") for n in range(50)]
    with pytest.raises(ValueError, match=r"evaluations.rewards.reward compares answers with a reference, and row \d+"):
        evaluation(asked, reward=RewardSum({"answer": ExactAnswer()}))(model(), byte_tokenizer([]))
    assert evaluation(asked)(model(), byte_tokenizer([]))["all"]["prompts"] > 0


def test_the_fingerprint_follows_from_prompts_and_reference():
    assert evaluation().fingerprint() == evaluation().fingerprint()
    others = [evaluation(TALKS[:-9]), evaluation(reference=Before(1)), evaluation(split=Split(0.1))]
    assert len({each.fingerprint() for each in [evaluation(), *others]}) == 4


CALL = '{"name": "calculator", "arguments": {"expression": "6 * 7"}}'


def test_answers_may_call_tools_and_the_last_turn_is_scored(monkeypatch):
    def generate(self, prompts, **_):
        texts = ["42" if CALL in self.tokenizer.decode(prompt) else CALL for prompt in prompts]
        return [Completion(text, self.tokenizer.encode(text), "stop_token") for text in texts]

    monkeypatch.setattr(Generator, "generate", generate)
    asked = [Conversation((Message("user", "6 * 7 ="), Message("assistant", "42")), group=f"{n}") for n in range(9)]
    options = {"template": RoleTokenTemplate(tools=True), "split": Split(0.9), "max_tokens": 400, "samples": 1}
    given = evaluation(asked, reward=RewardSum({"right": ExactAnswer()}), tools={"one": Calculator()}, **options)
    network = model()
    network.context = 2000
    found = given(network, byte_tokenizer([]))
    assert found["all"]["pass_greedy"] == found["all"]["pass_at"]["1"] == 1
    assert found["all"]["tokens"] == len(CALL) + len("42")  # the result of the tool is not the model's


def test_tools_need_a_template_with_their_turn_and_no_reference():
    with pytest.raises(ValueError, match="the model's template cannot write the result of a tool"):
        evaluation(tools={"one": Calculator()})(model(), byte_tokenizer([]))
    with pytest.raises(ValueError, match=r"reference: the KL of answers that call tools is not computed: set "):
        evaluation(tools={"one": Calculator()}, reference=Before(0))
