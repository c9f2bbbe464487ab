"""From raw text to a chat reply: every stage in turn, each a job of its own."""

from collections.abc import Callable
from time import perf_counter
from typing import Any


def pipeline(
    tokenizer: Callable[[], Any],
    corpus: Callable[[], Any],
    pretrain: Callable[[], Any],
    instruct: Callable[[], Any],
    evaluate: Callable[[], Any],
    evaluate_answers: Callable[[], Any],
    generate: Callable[[], Any],
    chat: Callable[[], Any],
    name: str = "default",
    root: str = "outputs",
    restart: bool = False,
) -> None:
    """Run the stages in order. Each is a named run: what is finished is not done again, what was interrupted goes on.

    `name`, `root` and `restart` are those of every stage's run.
    """
    began = perf_counter()
    for stage in (tokenizer, corpus, pretrain, instruct, evaluate, evaluate_answers):
        stage()
    print("\n── what the pretrained model writes " + "─" * 44)
    generate()
    print("\n── what the tuned model answers " + "─" * 48)
    chat()
    minutes, seconds = divmod(round(perf_counter() - began), 60)
    print(f"\npipeline    all of it in {minutes} min {seconds:02d} s. What lies where:")
    places = {
        f"{root}/tokenizer/{name}": "tokenizer.json",
        f"{root}/corpus/{name}": "token shards, training and held out",
        f"{root}/pretrain/{name}": "the pretrained model, metrics.csv, samples.txt",
        f"{root}/instruct/{name}": "the model to talk to, metrics.csv, samples.txt",
        f"{root}/evaluate/{name}": "results.json: bits per byte of the pretrained model",
        f"{root}/evaluate/{name}-answers": "results.json: answers of the tuned model",
    }
    for place, holds in places.items():
        print(f"  {place:<{max(map(len, places))}}  {holds}")
    print(f"\nTalk with it:   lm chat model.path={root}/instruct/{name}")
    print(f"Let it write:   lm generate model.path={root}/pretrain/{name} prompt='def '")
