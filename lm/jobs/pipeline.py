"""All stages from raw text to a chat reply, each a job of its own."""

from collections.abc import Callable
from functools import partial
from typing import Any

from lm.bounds import Positive
from lm.jobs.shares import Shares
from lm.jobs.stage_errors import in_keys_of_pipeline
from lm.progress import Console

SHARES = {"pretrain": 0.62, "instruct": 0.28}  # of the minutes that tokenizer and corpus leave


def pipeline(
    tokenizer: Callable[[], Any],
    corpus: Callable[[], Any],
    pretrain: Callable[[], Any],
    instruct: Callable[[], Any],
    evaluate: Callable[[], Any],
    evaluate_answers: Callable[[], Any],
    generate: Callable[[], Any],
    chat: Callable[[], Any],
    fitting: Callable[[], Callable[[], bool]],
    text: str | list[str] | None = None,
    conversations: str | list[str] | None = None,
    name: str = "default",
    root: str = "outputs",
    restart: bool = False,
    minutes: Positive = 10.0,
    debug: str | None = None,
) -> None:
    """Run the stages in order. Each is a named run: complete ones are skipped, an interrupted one resumes.

    A pipeline on the user's own text, without conversations of the user's, ends with continuations of the text: the
    default conversations are about Python, so the stages that need conversations are left out.

    Args:
        tokenizer: Trains the tokenizer.
        corpus: Writes the token shards.
        pretrain: Trains the base model on them.
        instruct: Tunes the base model on conversations.
        evaluate: Measures bits per byte of the base model.
        evaluate_answers: Compares replies of the tuned model with held-out answers.
        generate: Prints continuations of prompts by the base model.
        chat: Prints a reply of the tuned model.
        fitting: Checks that the conversations can be read, and returns a function: whether they fit the corpus.
        text: Your own text: a file, folder or pattern, or a list of them, such as 'books/*.txt'. null takes that of
            `corpus.corpus`, which is Python's standard library unless another source is chosen.
        conversations: Your own conversations: a file or pattern, or a list of them, in any common layout, such as
            chat.jsonl; or an option of the group data/conversations. null takes those of `instruct.data.conversations`,
            which are about Python unless others are chosen; another text is not tuned on these.
        name: Name of the run of every stage; the second evaluation appends `-answers`.
        root: Directory of the runs of every stage.
        restart: Whether every stage empties its run first and starts again.
        minutes: Wall-clock minutes of all stages, on any machine: pretraining and tuning are timed and get lengths
            that fit, where their budgets are in minutes. Of what tokenizer and corpus leave, 62 % is for pretraining,
            28 % for tuning, and 10 % for the stages after them, which take the time they need. Pretraining that takes
            longer than it was timed, as beside other work, takes nothing from tuning: the whole ends later. Where
            tuning is left out its share is not used, so that conversations can be added later.
        debug: An option of the group debug/stages: fast for two steps of everything, overfit for a few rows that must
            be learned by heart. null for none.
    """
    shares = Shares(minutes, SHARES)
    console = Console("pipeline")
    run = partial(in_keys_of_pipeline, text=text, conversations=conversations)
    own = conversations is not None
    fits = run("instruct", fitting) if own or text is None else lambda: False
    run("tokenizer", tokenizer)
    run("corpus", corpus)
    tuned = own or fits()
    if not tuned:
        console.line(_left_out(text))
    for stage, train in {"pretrain": pretrain, **({"instruct": instruct} if tuned else {})}.items():
        run(stage, partial(train, {"budget.remaining": shares.minutes(stage)}))  # read by budgets of minutes only
    run("evaluate", evaluate)
    if tuned:
        run("evaluate_answers", evaluate_answers)
    console.block("── what the pretrained model writes ".ljust(80, "─"))
    run("generate", generate)
    if tuned:
        console.block("── what the tuned model answers ".ljust(80, "─"))
        run("chat", chat)
    _print_results(console, root, name, took=shares.describe(), tuned=tuned)


def _left_out(text: str | list[str] | None) -> str:
    """What happens without conversations that fit, and how to have them."""
    given = text if text is None or isinstance(text, str) else f"[{','.join(text)}]"
    subject = "this corpus" if given is None else f"text={given}"
    return (
        f"{subject} has no conversations, so the model learns to continue it, and tuning, answers and chat are left "
        "out: add conversations=chat.jsonl to have them, or conversations=python for the generated ones about Python"
    )


def _print_results(console: Console, root: str, name: str, *, took: str, tuned: bool) -> None:
    """Print where the results lie, and the commands that use the models."""
    console.line(f"complete in {took}; the results:", before="\n")
    places = {
        f"{root}/tokenizer/{name}": "tokenizer.json",
        f"{root}/corpus/{name}": "token shards, training and held out",
        f"{root}/pretrain/{name}": "the pretrained model, metrics.csv, samples.txt",
        f"{root}/evaluate/{name}": "results.json: bits per byte of the pretrained model",
    }
    if tuned:
        places[f"{root}/instruct/{name}"] = "the model to talk to, metrics.csv, samples.txt"
        places[f"{root}/evaluate/{name}-answers"] = "results.json: answers of the tuned model"
    width = max(map(len, places))
    for place, contents in places.items():
        console.line(f"{place:<{width}}  {contents}")
    if tuned:
        console.line(f"chat:     lm chat model.path={root}/instruct/{name}")
    console.line(f"generate: lm generate model.path={root}/pretrain/{name}")
