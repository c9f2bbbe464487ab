"""All stages from raw text to a chat reply, each a job of its own."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from lm.bounds import Natural, Positive
from lm.jobs.shares import Shares
from lm.jobs.stage_errors import in_keys_of_pipeline
from lm.progress import Console

SHARES = {"pretrain": 0.42, "instruct": 0.48}  # of the minutes that tokenizer and corpus leave
SHARES_ALIGNED = {"pretrain": 0.36, "instruct": 0.36, "alignment": 0.16}


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
    alignment: Callable[..., Any] | None = None,
    text: str | list[str] | None = None,
    conversations: str | list[str] | None = None,
    align: bool = False,
    preferences: str | list[str] | None = None,
    name: str = "default",
    root: str = "outputs",
    restart: bool = False,
    seed: Natural = 0,
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
        alignment: Aligns the tuned model, where `align` or `preferences` says so.
        fitting: Checks that the conversations can be read, and returns a function: whether they fit the corpus.
        text: Your own text: a file, folder or pattern, or a list of them, such as 'books/*.txt'. null takes that of
            `corpus.corpus`, which is Python's standard library unless another source is chosen.
        conversations: Your own conversations: a file or pattern, or a list of them, in any common layout, such as
            chat.jsonl; or an option of the group data/conversations. null takes those of `instruct.data.conversations`,
            which are about Python unless others are chosen; another text is not tuned on these.
        align: Whether the tuned model is aligned: it answers the questions of its tuning, and right answers are
            rewarded (GRPO); words shared with the right answer count a fifth. Answers and the closing chat show the
            model before and after. Tuning has a quarter less time for it, and no clear gain was measured: the questions
            are those of tuning, which already teaches the right answers, and rewards teach less per second.
        preferences: Your own pairs of a better and a worse answer: a file or pattern, or a list of them, in any common
            layout, such as pairs.jsonl; alignment learns from them by DPO, and `align` need not be given.
        name: Name of the run of every stage; the evaluations of answers append `-answers`, and `-aligned` for those
            after alignment.
        root: Directory of the runs of every stage.
        restart: Whether every stage empties its run first and starts again.
        seed: Seed of the training of every stage, and of what its models write. Tokenizer, corpus and the splits into
            held-out and other documents do not depend on it.
        minutes: Wall-clock minutes of all stages, on any machine: pretraining and tuning are timed and get lengths
            that fit, where their budgets are in minutes. Of what tokenizer and corpus leave, 42 % is for pretraining,
            48 % for tuning, and 10 % for the stages after them, which take the time they need. Pretraining that takes
            longer than it was timed, as beside other work, takes nothing from tuning: the whole ends later. Where
            tuning is left out its share is not used, so that conversations can be added later. With alignment the
            shares are 36 %, 36 % and 16 %.
        debug: An option of the group debug/stages: fast for two steps of everything, overfit for a few rows that must
            be learned by heart. null for none.
    """
    aligned = align or preferences is not None
    shares = Shares(minutes, SHARES_ALIGNED if aligned else SHARES)
    console = Console("pipeline")
    run = partial(in_keys_of_pipeline, text=text, conversations=conversations, preferences=preferences)
    own = conversations is not None
    if aligned:
        _check_alignment(alignment, preferences, possible=own or text is None)
    fits = run("instruct", fitting) if own or text is None else lambda: False
    run("tokenizer", tokenizer)
    run("corpus", corpus)
    tuned = own or fits()
    if not tuned:
        console.line(_left_out(text))
        if aligned:
            _check_alignment(alignment, preferences, possible=False)
    stages = {"pretrain": pretrain, **({"instruct": instruct} if tuned else {})}
    for stage, train in {**stages, **({"alignment": alignment} if aligned else {})}.items():
        run(stage, partial(train, {"budget.remaining": shares.minutes(stage)}))  # read by budgets of minutes only
    run("evaluate", evaluate)
    if tuned:
        before = run("evaluate_answers", evaluate_answers)
    after = {"model.path": f"{root}/align/{name}", "run.name": f"{name}-aligned"}
    if aligned:
        console.block("── answers after alignment ".ljust(80, "─"))
        _compare(console, before, run("evaluate_answers", partial(evaluate_answers, after)))
    console.block("── what the pretrained model writes ".ljust(80, "─"))
    run("generate", generate)
    if tuned:
        models = "what the tuned model answers, and the aligned one" if aligned else "what the tuned model answers"
        console.block(f"── {models} ".ljust(80, "─"))
        run("chat", partial(chat, {"beside": after["model.path"]}) if aligned else chat)
    _print_results(console, root, name, took=shares.describe(), tuned=tuned, aligned=aligned)


def _left_out(text: str | list[str] | None) -> str:
    """What happens without conversations that fit, and how to have them."""
    given = text if text is None or isinstance(text, str) else f"[{','.join(text)}]"
    subject = "this corpus" if given is None else f"text={given}"
    return (
        f"{subject} has no conversations, so the model learns to continue it, and tuning, answers and chat are left "
        "out: add conversations=chat.jsonl to have them, or conversations=python for the generated ones about Python"
    )


def _check_alignment(
    alignment: Callable[..., Any] | None, preferences: str | list[str] | None, *, possible: bool
) -> None:
    """Refuse an alignment without a tuned model, or without the stage.

    Raises:
        ValueError: With what to add.
    """
    given = "align=true" if preferences is None else f"preferences={preferences}"
    if alignment is None:
        raise ValueError(f"{given}: there is no stage for it: choose stage/align@alignment=answers or pairs")
    if not possible:
        raise ValueError(
            f"{given} aligns a tuned model, and without conversations nothing is tuned: add conversations=chat.jsonl, "
            "or conversations=python for the generated ones about Python"
        )


def _compare(console: Console, *results: dict[str, Any] | None) -> None:
    """Print the share of right answers before and after alignment, with intervals, where both were measured."""
    measured = [((each or {}).get("answers") or {}).get("all") for each in results]
    if all(measured):
        before, after = measured
        shares = [
            f"{e['word_for_word']:.1%} ({100 * e['interval'][0]:.1f} – {100 * e['interval'][1]:.1f})" for e in measured
        ]
        console.line(
            f"held-out answers, exact match: {shares[0]} before alignment, {shares[1]} after: {_effect(before, after)}",
            before="\n",
        )


def _effect(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Whether a share has changed: clear where neither 95 % interval holds the other share."""
    for one, other in ((before, after), (after, before)):
        low, high = one["interval"]
        if low <= other["word_for_word"] <= high:
            return "no clear effect"
    return "higher" if after["word_for_word"] > before["word_for_word"] else "lower"


def _print_results(console: Console, root: str, name: str, *, took: str, tuned: bool, aligned: bool) -> None:
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
    if aligned:
        places[f"{root}/align/{name}"] = "the aligned model, metrics.csv, samples.txt"
        places[f"{root}/evaluate/{name}-aligned"] = "results.json: answers of the aligned model"
    width = max(map(len, places))
    for place, contents in places.items():
        console.line(f"{place:<{width}}  {contents}")
    if tuned:
        beside = f" beside={root}/align/{name}" if aligned else ""
        console.line(f"chat:     lm chat model.path={root}/instruct/{name}{beside}")
    console.line(f"generate: lm generate model.path={root}/pretrain/{name}")
