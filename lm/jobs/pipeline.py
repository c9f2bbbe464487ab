"""All stages from raw text to a chat reply, each a job of its own."""

from collections.abc import Callable
from time import perf_counter
from typing import Any

from lm.bounds import Positive
from lm.progress import Console

PRETRAINING, TUNING = 0.62, 0.28  # shares of the minutes that are left after tokenizer and corpus


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
    minutes: Positive = 10.0,
) -> None:
    """Run the stages in order. Each is a named run: complete ones are skipped, an interrupted one resumes.

    Args:
        tokenizer: Trains the tokenizer.
        corpus: Writes the token shards.
        pretrain: Trains the base model on them.
        instruct: Tunes the base model on conversations.
        evaluate: Measures bits per byte of the base model.
        evaluate_answers: Compares replies of the tuned model with held-out answers.
        generate: Prints continuations of prompts by the base model.
        chat: Prints a reply of the tuned model.
        name: Name of the run of every stage; the second evaluation appends `-answers`.
        root: Directory of the runs of every stage.
        restart: Whether every stage empties its run first and starts again.
        minutes: Wall-clock minutes of all stages, on any machine: pretraining and tuning are timed and get lengths
            that fit, where their budgets are in minutes. Of what tokenizer and corpus leave, 62 % is for pretraining,
            28 % for tuning, and 10 % for the stages after them, which take the time they need.
    """
    started_at = perf_counter()
    console = Console("pipeline")
    for stage in (tokenizer, corpus):
        stage()
    later = 1.0
    for train, share in ((pretrain, PRETRAINING), (instruct, TUNING)):
        left = max(0.0, minutes - (perf_counter() - started_at) / 60)
        train({"budget.remaining": left * share / later})  # no other budget than one of minutes reads it
        later -= share
    for stage in (evaluate, evaluate_answers):
        stage()
    console.block("── what the pretrained model writes ".ljust(80, "─"))
    generate()
    console.block("── what the tuned model answers ".ljust(80, "─"))
    chat()
    whole, seconds = divmod(round(perf_counter() - started_at), 60)
    console.line(f"complete in {whole} min {seconds:02d} s; the results:", before="\n")
    places = {
        f"{root}/tokenizer/{name}": "tokenizer.json",
        f"{root}/corpus/{name}": "token shards, training and held out",
        f"{root}/pretrain/{name}": "the pretrained model, metrics.csv, samples.txt",
        f"{root}/instruct/{name}": "the model to talk to, metrics.csv, samples.txt",
        f"{root}/evaluate/{name}": "results.json: bits per byte of the pretrained model",
        f"{root}/evaluate/{name}-answers": "results.json: answers of the tuned model",
    }
    width = max(map(len, places))
    for place, contents in places.items():
        console.line(f"{place:<{width}}  {contents}")
    console.line(f"chat:     lm chat model.path={root}/instruct/{name}")
    console.line(f"generate: lm generate model.path={root}/pretrain/{name}")
