"""A tiny model, its tokenizer, and files of items, for tests of benchmarks."""

import json
from functools import cache, partial
from pathlib import Path

import torch

from lm.evaluation import Item, ItemReader, Layout, Scorer, Shots, Task
from lm.evaluation.prompter import Prompter
from lm.evaluation.question import Asking
from lm.generation import Generator
from lm.model import Attention, SwiGLU, Transformer
from lm.tokenizer import Tokenizer, train_bpe

TEXT = ["the cat sat on the mat, and the dog ran to the red house. yes no 1 2 3 A B C D"] * 20


@cache
def tokenizer() -> Tokenizer:
    return train_bpe(TEXT, vocab_size=300)


@cache
def network(context: int = 64) -> Transformer:
    """A model of random weights, large enough that no two texts are equally likely, in fp64."""
    torch.manual_seed(0)
    return (
        Transformer(
            vocab_size=tokenizer().vocab_size,
            context=context,
            dim=8,
            layers=1,
            attention=partial(Attention, heads=1),
            feedforward=SwiGLU,
            initialize=lambda model: [torch.nn.init.normal_(each, std=0.7) for each in model.parameters()],
        )
        .double()
        .eval()
    )


def asking(context: int = 64, template=None, **layout) -> Asking:
    model = network(context)
    return Asking(
        Scorer(model),
        Generator(model, tokenizer()),
        Prompter(tokenizer(), layout=Layout(**layout), template=template),
    )


def item(**fields) -> Item:
    return Item(fields, "items.jsonl:1", "items")


def written(path: Path, rows: list[dict]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def task(path: str, question, main: str = "accuracy", **options) -> Task:
    given = {"reader": ItemReader(), "layout": Layout(), "shots": Shots(), "chat": False}
    return Task(path, question=question, main=main, **{**given, **options})


@torch.no_grad()
def log_probability(context: str, continuation: str) -> float:
    """What lm-evaluation-harness scores: blanks moved, ids of the whole, the end of a document where it is empty."""
    bare = context.rstrip()
    continuation, ids = context[len(bare) :] + continuation, tokenizer()
    head = ids.encode(bare) if bare else []
    whole = ids.encode(bare + continuation)
    tail = whole[len(head) :]
    text = [*(head or [ids.end_of_document]), *tail][-(network().context + 1) :]
    losses = network()(torch.tensor([text[:-1]]))[0].log_softmax(-1)
    return float(sum(losses[place - 1, text[place]] for place in range(len(text) - len(tail), len(text))))
