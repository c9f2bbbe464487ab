"""Compare tokenizers on held-out text: compression, cost, languages, small models."""

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from lm.bounds import Count, Positive
from lm.corpus import Source, Split, survey
from lm.directory import Run
from lm.files import write_atomically
from lm.jobs.tokenizer import check_sample
from lm.model import Transformer, vocabulary_cost
from lm.progress import bar
from lm.report import learning_table, premium_table, vocabulary_table, vocabulary_verdict
from lm.sources import Aligned
from lm.tokenizer import (
    Tokenizer,
    existing_tokenizer,
    load_tokenizer,
    longest_tokens,
    measure,
    named_files,
    premium,
)
from lm.training.vocabulary_trials import run_vocabulary_trials

Result = dict[str, Any]


class Candidate(NamedTuple):
    """A tokenizer to compare: its name, the family it is plotted with, and the function that makes it from texts."""

    name: str
    family: str
    make: Callable[..., Tokenizer]


def compare_vocabularies(
    run: Run,
    corpus: Source,
    split: Split,
    model: Callable[..., Transformer],
    families: Mapping[str, Callable[..., Tokenizer]] | None = None,
    sizes: list[Count] | None = None,
    paths: list[str] | None = None,
    aligned: Aligned | None = None,
    prepare: Callable[..., Any] | None = None,
    pretrain: Callable[..., Any] | None = None,
    train: bool = False,
    seeds: Count = 3,
    megabytes: Positive = 2.0,
    batch_tokens: Count = 4096,
    sample: float = 1.0,
    rare: Count = 10,
) -> list[Result]:
    """Train each family at each size, open existing tokenizers, and measure all of them on held-out text.

    Each tokenizer is saved as soon as it is made; a run that was interrupted resumes with the next.

    Args:
        run: The named run; its directory receives tokenizers/ and results.json.
        corpus: Documents to train and to measure on.
        split: Documents held out from training, on which everything is measured; its share must be above 0.
        model: Architecture whose FLOPs, parameters and context the costs refer to.
        families: Name → trainer. A trainer without `vocab_size` is used once, the others at each of `sizes`.
        sizes: Vocabulary sizes, in place of each trainer's `vocab_size`.
        paths: Existing tokenizers, as files or runs.
        aligned: Texts with the same content in several languages, to measure what each language pays; null for none.
        prepare: The job `corpus`, which `train` calls for each tokenizer.
        pretrain: The job `pretrain`, which `train` calls for each tokenizer and seed.
        train: Whether to also train small models with each tokenizer, on equal text and on equal FLOPs.
        seeds: Trainings per tokenizer and length.
        megabytes: Megabytes of text for each model.
        batch_tokens: Tokens per step of these trainings.
        sample: Share of the training documents to train tokenizers on, in (0, 1].
        rare: Occurrences in held-out text below which a token counts as rare.

    Returns:
        One dictionary per tokenizer, as in results.json.

    Raises:
        ValueError: There is nothing to compare, two names are equal, or nothing is held out.
    """
    check_sample(sample)
    if not split.share:
        raise ValueError("split.share=0 holds nothing out to measure vocabularies on: set split.share=0.05")
    candidates = [*_trained(families or {}, sizes or []), *_existing(paths or [])]
    _check_names([candidate.name for candidate in candidates])
    inputs = {"corpus": corpus.fingerprint(), **_file_hashes(run.config)}
    if run.finished(inputs | ({"aligned": aligned.fingerprint()} if aligned else {})):
        results, outcome = run.result["vocabularies"], "nothing to do"
    else:
        started = perf_counter()
        languages = list(aligned or [])
        split = survey(corpus, split)[1]
        results = _compare(run, candidates, corpus, split, languages, model=model, sample=sample, rare=rare)
        if train:
            settings = {"batch_tokens": batch_tokens, "megabytes": megabytes, "seeds": seeds, "restart": run.restart}
            trials = run_vocabulary_trials(results, run.directory, prepare=prepare, pretrain=pretrain, **settings)
            results = [{**result, "learned": trials[result["name"]]} for result in results]
        said = [*corpus.notes, *(f"aligned texts: {note}" for note in (aligned.notes if aligned else ()))]
        notes = f" ({'; '.join(said)})" if said else ""
        outcome = f"{len(results)} tokenizers in {perf_counter() - started:.0f} s{notes}"
        write_atomically(run.directory / "results.json", json.dumps(results, indent=2, ensure_ascii=False))
        run.finish(
            outputs=[run.directory / "tokenizers", run.directory / "results.json"], result={"vocabularies": results}
        )
    run.console.block(
        vocabulary_table(results), premium_table(results), learning_table(results), vocabulary_verdict(results)
    )
    run.console.line(f"{outcome} → {run.directory}", before="\n")
    return results


def _compare(
    run: Run,
    candidates: list[Candidate],
    corpus: Source,
    split: Split,
    languages: list[tuple[str, list[str], list[str]]],
    *,
    model: Callable[..., Transformer],
    sample: float,
    rare: int,
) -> list[Result]:
    """Make or reopen each tokenizer and measure it; a duplicate of an earlier one is skipped."""
    held_out: dict[str, list[str]] = {}
    for document in corpus:
        if split.held_out(document):
            held_out.setdefault(document.kind, []).append(document.text)
    results, names = [], {}
    with bar(len(candidates), label="vocabulary", unit="tokenizers") as progress:
        for name, family, make in candidates:
            file = run.directory / "tokenizers" / f"{name}.json"
            try:
                tokenizer = load_tokenizer(file)  # made before the run was interrupted
            except ValueError:  # not made yet, or damaged
                texts = (document.text for document in corpus if split.in_training(document, sample=sample))
                tokenizer = _make(name, make, texts)
                tokenizer.save(file)
            progress.update()
            twin = names.setdefault(tokenizer.fingerprint, name)
            if twin != name:
                run.console.line(f"{name} equals {twin}, token for token")
                file.unlink()
                continue
            kinds = {kind: measure(tokenizer, texts, rare=rare) for kind, texts in held_out.items()}
            overall = measure(tokenizer, (text for texts in held_out.values() for text in texts), rare=rare)
            cost = vocabulary_cost(model, vocab_size=tokenizer.vocab_size, bytes_per_token=overall["bytes_per_token"])
            premiums = {language: premium(tokenizer, *sides) for language, *sides in languages}
            details = {"kinds": kinds, "languages": premiums, "longest": longest_tokens(tokenizer)}
            results.append({"name": name, "family": family, **overall, **cost, **details})
    return results


def _make(name: str, make: Callable[..., Tokenizer], texts: Iterator[str]) -> Tokenizer:
    """Make a tokenizer; an error names its family and size."""
    try:
        return make(texts)
    except ValueError as error:
        raise ValueError(f"families and sizes, {name}: {error}") from None


def _trained(families: Mapping[str, Callable[..., Tokenizer]], sizes: list[int]) -> Iterator[Candidate]:
    for family, make in families.items():
        if "vocab_size" not in inspect.signature(make).parameters:
            yield Candidate(family, family, make)
            continue
        for size in sizes:
            yield Candidate(f"{family}-{size}", family, partial(make, vocab_size=size))


def _existing(paths: list[str]) -> Iterator[Candidate]:
    """Yield existing tokenizers, named after their run or file, or by the whole path if that name is not unique."""
    files = [Path(path).parent if Path(path).name == "tokenizer.json" else Path(path) for path in paths]
    names = [file.name.removesuffix(".json") or "tokenizer" for file in files]
    for path, name in zip(paths, names, strict=True):
        name = name if names.count(name) == 1 else path.strip("/").replace("/", "-")
        yield Candidate(name, name, partial(existing_tokenizer, path=path))


def _check_names(names: list[str]) -> None:
    if not names:
        raise ValueError("there is nothing to compare: set families and sizes, or paths of tokenizers")
    if repeated := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"two of the tokenizers would be named {repeated[0]}: rename a family or a file of paths")


def _file_hashes(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the hashes of all files that tokenizers are made from: key → hash."""
    hashes: dict[str, str] = {}
    for name, node in (config.get("families") or {}).items():
        hashes |= named_files(node, key=f"families.{name}")
    for path in config.get("paths") or []:
        hashes |= {f"paths.{path}": value for value in named_files({"path": path}).values()}
    return hashes
