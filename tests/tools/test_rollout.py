"""Answers that call tools are one sequence, of which the model wrote some tokens and the tools the others."""

from functools import partial

import pytest
import torch

from lm.conversation import Conversation, Message
from lm.generation import Completion, Generator, Sampling
from lm.model import Attention, SwiGLU, Transformer, initialize
from lm.tools import Calculator, Toolbox, generate_with_tools
from support.talks import template_of, tokenizer_of

TOKENIZER = tokenizer_of("ours")
CHATML = template_of("chatml")
STOP = CHATML.stop_tokens(TOKENIZER)[0]
GREEDY = Sampling(temperature=0)
CALL = '{"name": "calculator", "arguments": {"expression": "6 * 7"}}'
ASKED = [Message("user", "6 * 7?")]


class Scripted(Generator):
    """Says what it is told to, row by row and round by round; "…" ends without a stop token."""

    def __init__(self, *rows):
        self.rows, self.tokenizer, self.prompts = [[*row] for row in rows], TOKENIZER, []

    def generate(self, prompts, *, max_tokens, stop_tokens, **_):
        self.prompts.append(prompts)
        return [
            self._completion(row.pop(0), limit) if limit else Completion("", [], "length")
            for row, limit in zip(self.rows, max_tokens, strict=True)
        ]

    def _completion(self, text, limit):
        tokens = TOKENIZER.encode(text.removesuffix("…"))
        stopped = not text.endswith("…") and len(tokens) < limit
        return Completion(text, [*tokens[:limit], *([STOP] if stopped else [])], "stop_token" if stopped else "length")


def episodes(*rows, max_tokens=500, toolbox=None, conversations=None, template=CHATML):
    generator = Scripted(*rows)
    found = generate_with_tools(
        generator,
        conversations or [ASKED] * len(rows),
        toolbox=toolbox or Toolbox([Calculator()]),
        template=template,
        sampling=GREEDY,
        max_tokens=max_tokens,
    )
    return found, generator


def test_a_call_is_followed_by_its_result_and_the_answer():
    (episode,), _ = episodes([CALL, "It is 42."])
    assert episode.messages == [Message("assistant", CALL), Message("tool", "42"), Message("assistant", "It is 42.")]
    assert (episode.text, episode.reason, episode.calls) == ("It is 42.", "stop_token", 1)


def test_the_tokens_are_those_of_the_conversation_and_only_the_models_are_not_inserted():
    (episode,), generator = episodes([CALL, "It is 42."])
    turns, _ = Toolbox([Calculator()]).shown(ASKED, CHATML)
    encoded = CHATML.encode(Conversation((*turns, *episode.messages)), TOKENIZER)
    start, end = len(episode.prompt), len(episode.prompt) + len(episode.tokens)
    assert [*episode.prompt, *episode.tokens] == encoded.tokens[:end]
    assert episode.inserted == [not supervised for supervised in encoded.supervised[start:end]]
    assert not any(encoded.supervised[:start])
    assert generator.prompts[1] == [[*episode.prompt, *episode.tokens[: len(generator.prompts[1][0]) - start]]]


def test_the_models_own_tokens_are_kept_although_the_text_would_be_encoded_otherwise():
    spelled = [TOKENIZER.encode(letter)[0] for letter in CALL]
    assert spelled != TOKENIZER.encode(CALL)

    class Spelling(Scripted):
        def _completion(self, text, limit):
            whole = super()._completion(text, limit)
            return Completion(text, [*spelled, STOP], whole.reason) if text == CALL else whole

    (episode,) = generate_with_tools(
        Spelling([CALL, "42"]), [ASKED], toolbox=Toolbox([Calculator()]), template=CHATML, sampling=GREEDY,
        max_tokens=500,
    )  # fmt: skip
    assert episode.tokens[: len(spelled) + 1] == [*spelled, STOP]
    assert episode.inserted[: len(spelled) + 2] == [False] * (len(spelled) + 1) + [True]


def test_rows_end_by_themselves_and_do_not_disturb_each_other():
    rows = [[CALL, "42"], ["at once"], [CALL, CALL, "42"], ["cut…"]]
    together, _ = episodes(*rows)
    alone = [episodes(row)[0][0] for row in rows]
    assert together == alone
    assert [each.calls for each in together] == [1, 0, 2, 0]
    assert [each.reason for each in together] == ["stop_token", "stop_token", "stop_token", "length"]


def test_a_model_that_only_calls_is_ended_after_the_limit():
    (episode,), _ = episodes([CALL] * 9, toolbox=Toolbox([Calculator()], max_calls=2))
    assert [turn.content for turn in episode.messages if turn.role == "tool"] == ["42", "42"]
    assert (episode.reason, episode.calls) == ("calls", 2)


def test_calls_beyond_the_limit_in_one_turn_get_an_error_to_read():
    rows = [f"{CALL}\n{CALL}\n{CALL}", "so be it"]
    (episode,), _ = episodes(rows, toolbox=Toolbox([Calculator()], max_calls=2))
    assert [turn.content[:12] for turn in episode.messages] == [CALL[:12], "42", "42", "error: the l", "so be it"]
    assert episode.reason == "stop_token"


def test_an_episode_is_never_longer_than_its_limit():
    whole = len(episodes([CALL, "It is 42."])[0][0].tokens)
    for limit in range(1, whole + 9, 5):
        (episode,), _ = episodes([CALL, "It is 42."], max_tokens=limit)
        assert len(episode.tokens) == len(episode.inserted) <= limit
        assert episode.reason == ("length" if limit < whole else "stop_token")


def test_a_call_cut_at_the_limit_is_not_run():
    (episode,), _ = episodes([f"{CALL}…"])
    assert (episode.calls, episode.reason) == (0, "length")


def test_a_wrong_call_is_answered_by_its_error():
    (episode,), _ = episodes(['{"name": "search", "arguments": {}}', "no"])
    assert episode.messages[1] == Message("tool", "error: there is no tool 'search': the tools are calculator")


def test_a_template_without_a_tool_turn_is_refused():
    with pytest.raises(ValueError, match=r"^tools: the model's template cannot write the result of a tool"):
        episodes([CALL, "42"], template=template_of("roles"))


def test_a_real_model_generates_the_same_episode_alone_and_among_others():
    torch.manual_seed(0)
    parts = {"attention": partial(Attention, heads=2), "feedforward": SwiGLU}
    model = Transformer(
        vocab_size=TOKENIZER.vocab_size, context=512, dim=16, layers=1, **parts,
        initialize=partial(initialize, residual_scale=1.0),
    )  # fmt: skip
    options = {"toolbox": Toolbox([Calculator()]), "template": CHATML, "sampling": Sampling(), "max_tokens": 8}
    conversations = [ASKED, [Message("user", "what does this do?")]]
    together = generate_with_tools(Generator(model, TOKENIZER), conversations, **options)
    assert together[0] == generate_with_tools(Generator(model, TOKENIZER), conversations[:1], **options)[0]
    assert together[1].tokens != together[0].tokens
