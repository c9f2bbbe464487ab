"""Answers that call tools are trained on like others, without what the tools wrote."""

from functools import partial

import pytest
import torch

from lm.conversation import Message, Prompt
from lm.generation import Completion, Generator, Sampling
from lm.model import Attention, SwiGLU, Transformer
from lm.policy.micro_batch import padded
from lm.policy.rollout import Asker, Rollout, with_tools
from lm.policy.scores import Scores
from lm.reward import ExactAnswer, RewardSum
from lm.tools import Calculator, Toolbox
from support.talks import template_of, tokenizer_of

TOKENIZER, CHATML = tokenizer_of("ours"), template_of("chatml")
STOP = CHATML.stop_tokens(TOKENIZER)[0]
CALL = '{"name": "calculator", "arguments": {"expression": "6 * 7"}}'
ASKED = [Prompt((), (Message("user", "6 * 7?"),), "42", place="problems:1")]


def told(toolbox):
    return with_tools(ASKED, toolbox, template=CHATML, tokenizer=TOKENIZER, context=2000)


def rollouts(monkeypatch, *texts):
    """Roll out one answer of a model that says these texts, turn by turn."""
    said = [[*TOKENIZER.encode(text), STOP] for text in texts]
    monkeypatch.setattr(
        Generator,
        "generate",
        lambda self, prompts, **_: [Completion(TOKENIZER.decode(said[0][:-1]), said.pop(0), "stop_token")],
    )
    toolbox = Toolbox([Calculator()])
    ask = Asker(
        told(toolbox), TOKENIZER, CHATML, RewardSum({"right": ExactAnswer()}), max_tokens=400, rows=8, toolbox=toolbox
    )

    class Model:
        context = 2000

    return ask, ask(Model(), [0], sampling=None, generators=[None])


def test_the_last_answer_is_scored_and_results_of_tools_are_marked(monkeypatch):
    _, (rollout,) = rollouts(monkeypatch, CALL, "42")
    assert (rollout.text, rollout.reward, rollout.finished) == ("42", 1, True)
    assert rollout.generated == len(TOKENIZER.encode(CALL)) + len(TOKENIZER.encode("42")) + 2
    assert len(rollout.tokens) == len(rollout.inserted) > rollout.generated


def test_only_what_the_model_wrote_is_supervised_and_columns_have_no_gaps(monkeypatch):
    ask, (rollout,) = rollouts(monkeypatch, CALL, "42")
    plain = Rollout(0, [*TOKENIZER.encode("no"), STOP], True, "no", 0.0, {})
    batch = padded([rollout, plain], ask.asked, counts=[True, True], padding=0)
    written = [token for token, inserted in zip(rollout.tokens, rollout.inserted, strict=True) if not inserted]
    assert batch.targets[0][batch.supervised[0]].tolist() == written
    assert batch.targets[1][batch.supervised[1]].tolist() == plain.tokens
    assert batch.mask.sum(1).tolist() == [rollout.generated, plain.generated]
    assert batch.mask.int().diff(dim=1).max() <= 0  # tokens of a completion are the first columns
    none = padded([rollout, plain], ask.asked, counts=[False, True], padding=0)
    assert none.mask.sum(1).tolist() == [0, plain.generated]


def test_an_answer_without_calls_has_nothing_inserted(monkeypatch):
    _, (rollout,) = rollouts(monkeypatch, "42")
    assert (rollout.inserted, rollout.generated) == ((), len(rollout.tokens))


def test_prompts_tell_the_tools_and_must_leave_room():
    toolbox = Toolbox([Calculator()])
    (prompt,) = told(toolbox)
    assert "calculator" in TOKENIZER.decode(prompt.tokens)
    with pytest.raises(ValueError, match=r"^objective\.tools: problems:1 has \d+ tokens with the tools .* of 20"):
        with_tools(ASKED, toolbox, template=CHATML, tokenizer=TOKENIZER, context=20)
    with pytest.raises(ValueError, match=r"^tools: the model's template cannot write the result of a tool"):
        with_tools(ASKED, toolbox, template=template_of("roles"), tokenizer=TOKENIZER, context=2000)


def test_a_step_with_tools_scores_the_call_and_not_the_result(monkeypatch):
    ask, (rollout,) = rollouts(monkeypatch, CALL, "42")
    torch.manual_seed(0)
    model = Transformer(
        vocab_size=TOKENIZER.vocab_size, context=2000, dim=8, layers=1, attention=partial(Attention, heads=2),
        feedforward=SwiGLU,
    ).double()  # fmt: skip
    batch = padded([rollout], ask.asked, counts=[True], padding=0)
    row = torch.tensor([*ask.asked[0].tokens, *rollout.tokens])
    whole = model(row[None, :-1])[0].log_softmax(-1).gather(1, row[1:, None])[:, 0]
    written = ~torch.tensor(rollout.inserted)
    assert not written.all()
    found = Scores(model, batch, sampling=Sampling()).flat_log_probabilities()
    torch.testing.assert_close(found, whole[len(ask.asked[0].tokens) - 1 :][written], rtol=0, atol=1e-10)
