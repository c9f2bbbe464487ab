"""An engine writes the text that a generator writes, whatever else it does at the time."""

import queue
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from lm.generation import Generator, Sampling, random_generator
from lm.serve import Engine, Request, Update
from lm.tokenizer import byte_tokenizer
from support.small_models import small_model

TOKENIZER = byte_tokenizer([])
GREEDY = Sampling(temperature=0)
LIVELY = Sampling(temperature=1.3, top_p=0.97, repetition_penalty=1.1)


def answers(engine: Engine, requests: Sequence[Request]) -> list[list[Update]]:
    """The updates of each request, all of them asked at once."""
    ended: queue.Queue[int] = queue.Queue()
    updates: list[list[Update]] = [[] for _ in requests]

    def receiver(number: int):
        def deliver(update: Update) -> None:
            updates[number].append(update)
            if update.reason:
                ended.put(number)

        return deliver

    for number, request in enumerate(requests):
        engine.submit(request, receiver(number))
    for _ in requests:
        ended.get(timeout=60)
    return updates


def text(updates: Sequence[Update]) -> str:
    return "".join(update.text for update in updates)


def prompts(count: int) -> list[list[int]]:
    draw = torch.Generator().manual_seed(3)
    lengths = torch.randint(1, 40, (count,), generator=draw).tolist()
    return [torch.randint(0, 256, (length,), generator=draw).tolist() for length in lengths]


@pytest.fixture(scope="module")
def engine():
    engine = Engine(small_model(TOKENIZER), TOKENIZER, prefill_tokens=24)
    engine.start()
    yield engine
    engine.close()


@pytest.mark.parametrize("sampling", [GREEDY, LIVELY], ids=["greedy", "drawn"])
def test_texts_together_are_those_of_a_generator_and_those_alone(engine, sampling):
    requests = [
        Request(prompt=prompt, sampling=sampling, max_tokens=12, seed=7, choice=choice)
        for choice, prompt in enumerate(prompts(50))
    ]
    together = answers(engine, requests)
    generator = Generator(engine.model, TOKENIZER)
    for number, request in enumerate(requests):
        (expected,) = generator.generate(
            [request.prompt], sampling=sampling, max_tokens=12, generators=[random_generator(7, number)]
        )
        assert text(together[number]) == expected.text
        assert [token for update in together[number] for token in update.tokens] == expected.tokens
        assert together[number][-1].reason == expected.reason
    for number in range(0, 50, 10):
        assert answers(engine, [requests[number]]) == [together[number]]


def test_the_prompt_is_scored_as_by_one_forward(engine):
    prompt = prompts(5)[-1]
    request = Request(prompt=prompt, sampling=GREEDY, max_tokens=0, alternatives=3, echo=True)
    ((update,),) = answers(engine, [request])
    with torch.no_grad():
        likely = engine.model(torch.tensor([prompt]))[0].log_softmax(-1)
    assert [each.token for each in update.prompt_scores] == prompt
    assert update.prompt_scores[0].log_probability is None
    for place, each in enumerate(update.prompt_scores[1:]):
        assert each.log_probability == pytest.approx(likely[place, each.token].item(), abs=1e-5)
        assert [token for token, _ in each.alternatives] == likely[place].topk(3).indices.tolist()
    ((last,),) = answers(engine, [replace(request, max_tokens=1)])
    assert last.prompt_scores == update.prompt_scores
    assert last.scores[0].log_probability == pytest.approx(likely[-1].max().item(), abs=1e-5)
