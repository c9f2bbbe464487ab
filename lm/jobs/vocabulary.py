"""Compare vocabularies on the user's own text: what each gives and what it costs."""

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from lm.bounds import Count, Positive
from lm.corpus import Source, Split, survey
from lm.files import write_atomically
from lm.model import Transformer, vocabulary_cost
from lm.progress import bar
from lm.report import learning_table, premium_table, vocabulary_page, vocabulary_table, vocabulary_verdict
from lm.run import Run
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
from lm.training.learning import learn


class Wanted(NamedTuple):
    """A tokenizer to compare: the family it is drawn with, and what makes it from texts."""

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
) -> list[dict[str, Any]]:
    """Train each of `families` at each of `sizes`, open those at `paths`, and measure them all on held-out text.

    With `aligned` texts, also by what each language pays for the same content. A family without a `vocab_size` is made
    once. Costs are counted for `model`, of which nothing is trained. Each tokenizer is kept in the run as soon as it is
    made, so a run that was ended goes on with the next. With `train`, the jobs `prepare` and `pretrain` make a model
    with each as well, `seeds` times: see `learn`.
    """
    if not 0 < sample <= 1:
        raise ValueError(f"sample {sample} is not a share of the documents: give more than 0 and at most 1")
    if not split.share:
        raise ValueError("split.share=0 holds nothing out to measure vocabularies on: try 0.05")
    named = [*_grid(families or {}, sizes or []), *_opened(paths or [])]
    wanted = dict(named)
    if len(wanted) < len(named):
        twice = next(name for name in wanted if [each for each, _ in named].count(name) > 1)
        raise ValueError(f"two of the tokenizers would be called {twice}: rename a family or a file of paths")
    if not wanted:
        raise ValueError("there is nothing to compare: give families and sizes, or paths of tokenizers")
    translations = {"aligned": aligned.fingerprint()} if aligned else {}
    if run.finished({"corpus": corpus.fingerprint(), **_files(run.config), **translations}):
        results, told = run.result["vocabularies"], "nothing to do"
    else:
        began = perf_counter()
        languages = list(aligned or [])
        split = survey(corpus, split)[1]
        results = _compare(run, wanted, corpus, split, languages, model=model, sample=sample, rare=rare)
        if train:
            learned = learn(
                results,
                run.directory,
                prepare=prepare,
                pretrain=pretrain,
                batch_tokens=batch_tokens,
                megabytes=megabytes,
                seeds=seeds,
                restart=run.restart,
            )
            results = [{**found, "learned": learned[found["name"]]} for found in results]
        notes = f" ({'; '.join(corpus.notes)})" if corpus.notes else ""
        told = f"{len(results)} tokenizers in {perf_counter() - began:.0f} s{notes}"
        content = {
            "results.json": json.dumps(results, indent=2, ensure_ascii=False),
            "report.html": vocabulary_page(results),
        }
        for name, text in content.items():
            write_atomically(run.directory / name, text)
        outputs = [run.directory / "tokenizers", *(run.directory / name for name in content)]
        run.finish(outputs=outputs, result={"vocabularies": results})
    tables = [vocabulary_table(results), premium_table(results), learning_table(results)]
    parts = [*tables, vocabulary_verdict(results)]
    print("", *filter(None, parts), f"vocabulary  {told} → {run.directory}", sep="\n\n")
    return results


def _compare(
    run: Run,
    wanted: Mapping[str, Wanted],
    corpus: Source,
    split: Split,
    languages: list[tuple[str, list[str], list[str]]],
    *,
    model: Callable[..., Transformer],
    sample: float,
    rare: int,
) -> list[dict[str, Any]]:
    held_out: dict[str, list[str]] = {}
    for document in corpus:
        if split.held_out(document):
            held_out.setdefault(document.kind, []).append(document.text)
    results, made = [], {}
    with bar(len(wanted), label="vocabulary", unit="tokenizers") as shown:
        for name, (family, make) in wanted.items():
            file = run.directory / "tokenizers" / f"{name}.json"
            try:
                tokenizer = load_tokenizer(file)  # of a run that was ended, unless it was not yet, or is damaged
            except ValueError:
                texts = (document.text for document in corpus if split.trains(document, sample=sample))
                tokenizer = _make(name, make, texts)
                tokenizer.save(file)
            twin = made.setdefault(tokenizer.fingerprint, name)
            if twin != name:
                print(f"vocabulary  {name} is {twin} again, token for token")
                file.unlink()
                shown.update()
                continue
            kinds = {kind: measure(tokenizer, texts, rare=rare) for kind, texts in held_out.items()}
            overall = measure(tokenizer, (text for texts in held_out.values() for text in texts), rare=rare)
            cost = vocabulary_cost(model, vocab_size=tokenizer.vocab_size, bytes_per_token=overall["bytes_per_token"])
            described = {"name": name, "family": family, **overall, **cost}
            paid = {language: premium(tokenizer, *sides) for language, *sides in languages}
            results.append({**described, "kinds": kinds, "languages": paid, "longest": longest_tokens(tokenizer)})
            shown.update()
    return results


def _make(name: str, make: Callable[..., Tokenizer], texts: Iterator[str]) -> Tokenizer:
    """A tokenizer; what its trainer refuses is told with the family and size that it was asked for."""
    try:
        return make(texts)
    except ValueError as error:
        raise ValueError(f"families and sizes, {name}: {error}") from None


def _grid(families: Mapping[str, Callable[..., Tokenizer]], sizes: list[int]) -> Iterator[tuple[str, Wanted]]:
    for family, make in families.items():
        if "vocab_size" not in inspect.signature(make).parameters:
            yield family, Wanted(family, make)
            continue
        for size in sizes:
            yield f"{family}-{size}", Wanted(family, partial(make, vocab_size=size))


def _opened(paths: list[str]) -> Iterator[tuple[str, Wanted]]:
    """Tokenizers that there are, called by the run or the file that they are of; by the whole path if that is twice."""
    files = [Path(path).parent if Path(path).name == "tokenizer.json" else Path(path) for path in paths]
    names = [file.name.removesuffix(".json") or "tokenizer" for file in files]
    for path, name in zip(paths, names, strict=True):
        name = name if names.count(name) == 1 else path.strip("/").replace("/", "-")
        yield name, Wanted(name, partial(existing_tokenizer, path=path))


def _files(config: Mapping[str, Any]) -> dict[str, str]:
    """The hashes of all files that tokenizers are made from."""
    found: dict[str, str] = {}
    for name, node in (config.get("families") or {}).items():
        found |= named_files(node, key=f"families.{name}")
    for path in config.get("paths") or []:
        found |= {f"paths.{path}": each for each in named_files({"path": path}).values()}
    return found
