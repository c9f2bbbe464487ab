"""The score of a reward model as a reward."""

from functools import partial

import pytest
import torch

from lm.conversation import Message
from lm.model import Attention, SwiGLU, Transformer, initialize, scalar_head
from lm.objective.reward import text_scores
from lm.reward import Answer, LearnedReward, RewardSum
from support.talks import template_of, tokenizer_of

TOKENIZER, TEMPLATE = tokenizer_of("ours"), template_of("roles")
ASKED = (Message("user", "what does this do?"),)


def build(vocab_size, *, head=True, context=64):
    torch.manual_seed(0)
    model = Transformer(
        vocab_size=vocab_size,
        context=context,
        dim=16,
        layers=2,
        attention=partial(Attention, heads=2),
        feedforward=SwiGLU,
        initialize=partial(initialize, residual_scale=1.0),
    )
    if head:
        scalar_head(model)
        torch.nn.init.normal_(model.head.weight)
    return model


def reward(**changes):
    return LearnedReward(**({"model": build, "tokenizer": TOKENIZER, "template": TEMPLATE, "device": "cpu"} | changes))


def answers(*texts):
    return [Answer(text=text, messages=ASKED) for text in texts]


def test_the_score_is_that_of_the_conversation_at_its_end_of_turn():
    prompt, stop = TEMPLATE.prompt(ASKED, TOKENIZER), TEMPLATE.stop_tokens(TOKENIZER)[0]
    texts = ["it returns", " ", "def f(x):"]
    tokens = [[*prompt, *(TOKENIZER.encode(text) if text.strip() else []), stop] for text in texts]
    assert reward()(answers(*texts)) == pytest.approx(text_scores(build(TOKENIZER.vocab_size), tokens))
    assert len(set(reward()(answers(*texts)))) == 3


def test_scores_do_not_depend_on_the_batch():
    given = answers("it", "it returns what it is given", "x" * 20, "")
    together = reward()(given)
    assert together == pytest.approx([reward(rows=1)([each])[0] for each in given], abs=1e-5)


def test_what_the_model_cannot_read_is_not_scorable():
    assert reward()([Answer(text="no turns"), *answers("x" * 10_000)]) == [None, None]
    assert RewardSum({"learned": reward()})(answers("it", "x" * 10_000)).total[1] is None


def test_a_model_without_a_score_is_refused():
    with pytest.raises(ValueError, match=r"^reward\.model\.path names a run whose model has no score"):
        reward(model=partial(build, head=False))
