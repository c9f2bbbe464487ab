"""Which share of a run each source has: by weights, by size, and by stage of the run.

Shares are of tokens (or of examples, as the data counts), not of rows. A mixture knows nothing about rows, steps and
caps: `lm.data.mixing` turns its stages into whole steps and rows.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from math import isfinite

from lm.bounds import NonNegative, Positive
from lm.config.faults import did_you_mean


@dataclass(frozen=True)
class Stage:
    """A part of the run with one set of shares."""

    key: str  # config key that says where it ends, for messages
    until: Fraction  # share of the run at which it ends
    shares: dict[str, Fraction]  # by source, every source; they sum to one
    name: str = ""  # empty where the whole run is one stage


class Mixture(ABC):
    """Shares of a run by source."""

    @abstractmethod
    def divide(self, amounts: Mapping[str, int], *, key: str) -> list[Stage]:
        """Divide the run into stages.

        Args:
            amounts: Tokens (or examples) of each source.
            key: Config key of the mixture, for messages.
        """


class Weights(Mixture):
    """Shares by name of a source, of a corpus, or of a kind in all corpora.

    Sources that share a name are mixed in proportion to their tokens. A source without a weight is not read.

    Args:
        weights: Weight by name, at least 0. They are normalized, so they need not sum to one.
    """

    def __init__(self, weights: dict[str, NonNegative]):
        self.weights = weights

    def divide(self, amounts: Mapping[str, int], *, key: str) -> list[Stage]:
        key = f"{key}.weights"
        parts: dict[str, Fraction] = {}
        for name, sources in resolve_sources(self.weights, [*amounts], key=key).items():
            weight, inside = self.weights[name], sum(amounts[source] for source in sources)
            if not isfinite(weight) or weight < 0:
                raise ValueError(f"{key}.{name}={weight:g}: a weight is a number of at least 0")
            if weight and not inside:
                raise ValueError(f"{key}.{name}={weight:g}, but {name} holds nothing to read: remove it or set 0")
            if weight:
                parts |= {source: Fraction(str(weight)) * amounts[source] / inside for source in sources}
        return _whole_run(parts, amounts, key=key)


class Temperature(Mixture):
    """Shares in proportion to tokens ** (1 / temperature): above 1, small sources are upsampled.

    Arivazhagan et al. 2019 take 5 for languages; Conneau et al. 2020 write the exponent as α = 1 / temperature and take
    0.3. Both count sentences, not tokens. With examples instead of tokens, temperature 1 and a `max_size` this is the
    examples-proportional mixing of T5 and FLAN (Raffel et al. 2020; Wei et al. 2022, with max_size 3,000).

    Args:
        temperature: 1 is in proportion to the size of each source; the higher, the closer to uniform.
        max_size: Tokens (or examples) of a source that count towards its share, at most, so that a huge source does
            not crowd out the others; null for no limit.
    """

    def __init__(self, temperature: Positive, *, max_size: Positive | None = None):
        self.temperature, self.max_size = temperature, max_size

    def divide(self, amounts: Mapping[str, int], *, key: str) -> list[Stage]:
        key = f"{key}.temperature"
        if not isfinite(self.temperature) or self.temperature <= 0:
            raise ValueError(f"{key}={self.temperature:g}: must be more than 0 (data/mixture=uniform is the limit)")
        counted = {source: n if self.max_size is None else min(n, self.max_size) for source, n in amounts.items()}
        largest = max(counted.values())  # relative to it, no power overflows
        parts = {source: Fraction((n / largest) ** (1 / self.temperature)) for source, n in counted.items() if n}
        return _whole_run(parts, amounts, key=key)


class Uniform(Mixture):
    """The same share for every source: the limit of `Temperature` as the temperature grows.

    With data.max_epochs and data.excess=redistribute this is UniMax (Chung et al. 2023), in tokens instead of
    characters.
    """

    def divide(self, amounts: Mapping[str, int], *, key: str) -> list[Stage]:
        return _whole_run({source: Fraction(1) for source, amount in amounts.items() if amount}, amounts, key=key)


class Stages(Mixture):
    """Mixtures one after another: a curriculum.

    A source continues in the next stage where the stage before left it: no row repeats before all rows of its source
    were read.

    Args:
        stages: Mixture of each stage, by name.
        until: Share of the run at which each stage ends, by name; above 0, and 1 for the last.
    """

    def __init__(self, stages: dict[str, Mixture], *, until: dict[str, Positive]):
        self.stages, self.until = stages, until

    def divide(self, amounts: Mapping[str, int], *, key: str) -> list[Stage]:
        self._check(key)
        stages, begin = [], Fraction(0)
        for name in sorted(self.stages, key=self.until.__getitem__):
            end = Fraction(str(self.until[name]))
            for stage in self.stages[name].divide(amounts, key=f"{key}.stages.{name}"):
                until = begin + (end - begin) * stage.until
                nested = f"{name}/{stage.name}" if stage.name else name
                ended_by = stage.key if stage.name else f"{key}.until.{name}={self.until[name]:g}"
                stages.append(replace(stage, until=until, name=nested, key=ended_by))
            begin = end
        return stages

    def _check(self, key: str) -> None:
        if not self.stages:
            raise ValueError(f"{key}.stages is empty: add a stage, or take data/mixture=weights for the whole run")
        for name in self.until:
            if name not in self.stages:
                raise ValueError(f"{key}.until.{name}: no such stage{did_you_mean(name, self.stages)}")
        for name in self.stages:
            if name not in self.until:
                raise ValueError(f"{key}.until.{name}: missing: set where the stage ends, as a share of the run")
            if not 0 < self.until[name] <= 1:
                raise ValueError(
                    f"{key}.until.{name}={self.until[name]:g}: a share of the run is above 0 and at most 1"
                )
        ordered = sorted(self.stages, key=self.until.__getitem__)
        for name, following in pairwise(ordered):
            if self.until[name] == self.until[following]:
                raise ValueError(
                    f"{key}.until: {name} and {following} both end at {self.until[name]:g}, so {following} would be "
                    "empty: set another end, or remove it"
                )
        if self.until[ordered[-1]] != 1:
            raise ValueError(
                f"{key}.until.{ordered[-1]}={self.until[ordered[-1]]:g}: the last stage ends before the run does: set 1"
            )


def resolve_sources(names: Iterable[str], sources: Sequence[str], *, key: str) -> dict[str, list[str]]:
    """The sources that each name in the config means: one source, all of a corpus, or one kind in all corpora.

    With several corpora a source is called corpus/kind, and either half means all sources that have it.

    Args:
        names: Names from the config.
        sources: Names of all sources.
        key: Config key of the names, for messages.
    """
    resolved: dict[str, list[str]] = {}
    owner: dict[str, str] = {}
    for name in names:
        of_corpus = [source for source in sources if source.startswith(f"{name}/")]
        of_kind = [source for source in sources if source.endswith(f"/{name}")]
        if of_corpus and of_kind:
            raise ValueError(
                f"{key}.{name} is both a corpus and a kind: name the sources one by one, as {of_corpus[0]}"
            )
        resolved[name] = [name] if name in sources else of_corpus or of_kind
        if not resolved[name]:
            halves = [half for source in sources if "/" in source for half in source.split("/", 1)]
            raise ValueError(f"{key}.{name}: no such source{did_you_mean(name, [*sources, *dict.fromkeys(halves)])}")
        for source in resolved[name]:
            if source in owner:
                raise ValueError(f"{key}: both {owner[source]} and {name} mean {source}: keep one of them")
            owner[source] = name
    return resolved


def _whole_run(parts: Mapping[str, Fraction], sources: Mapping[str, int], *, key: str) -> list[Stage]:
    """One stage for the whole run, with shares in proportion to `parts`."""
    total = sum(parts.values())
    if not total:
        raise ValueError(f"{key}: nothing would be read: give one of {', '.join(sources)} a weight above 0")
    return [Stage(key, Fraction(1), {source: parts.get(source, Fraction(0)) / total for source in sources})]
