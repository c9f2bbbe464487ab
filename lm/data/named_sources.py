"""Which sources a name in the config means: one of them, all of a corpus, or one kind of all corpora."""

from collections.abc import Iterable, Sequence

from lm.config.faults import did_you_mean


def sources_meant(names: Iterable[str], sources: Sequence[str], *, key: str) -> dict[str, list[str]]:
    """The sources that each name means. `key` is where the names stand in the config.

    Where there are several corpora a source is called corpus/kind, and either half of that means all that have it.
    """
    meant: dict[str, list[str]] = {}
    owner: dict[str, str] = {}
    for name in names:
        of_corpus = [source for source in sources if source.startswith(f"{name}/")]
        of_kind = [source for source in sources if source.endswith(f"/{name}")]
        if of_corpus and of_kind:
            raise ValueError(
                f"{key}.{name} is both a corpus and a kind: name the sources one by one, as {of_corpus[0]}"
            )
        meant[name] = [name] if name in sources else of_corpus or of_kind
        if not meant[name]:
            known = [*sources, *dict.fromkeys(half for source in sources if "/" in source for half in _halves(source))]
            raise ValueError(f"{key}.{name}: no such source{did_you_mean(name, known)}")
        for source in meant[name]:
            if source in owner:
                raise ValueError(
                    f"{key}: {source} is meant by both {owner[source]} and {name}: leave it to one of them"
                )
            owner[source] = name
    return meant


def _halves(source: str) -> tuple[str, str]:
    corpus, _, kind = source.partition("/")
    return corpus, kind
