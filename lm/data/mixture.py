"""What share of a run each source has: by weights, by size, and by the stage of the run.

Shares are of tokens (or of what the data counts instead), never of rows. A mixture knows nothing of rows, steps and
caps: `portions` makes whole steps of its stages.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from math import isfinite

from lm.bounds import NonNegative, Positive
from lm.config.faults import did_you_mean
from lm.data.named_sources import sources_meant


@dataclass(frozen=True)
class Stage:
    """A part of the run under one set of shares."""

    key: str  # what says where it ends, for messages
    until: Fraction  # of the run
    shares: dict[str, Fraction]  # by source, all of them; they sum to one
    name: str = ""  # none where the whole run is one stage


class Mixture(ABC):
    """Shares of a run by source."""

    @abstractmethod
    def divide(self, amounts: Mapping[str, int], *, key: str) -> list[Stage]:
        """The stages of the run, one after another, for sources of these `amounts` of tokens.

        `key` is where the mixture stands in the config, for messages.
        """


class Weights(Mixture):
    """Shares by the name of a source, of a corpus, or of a kind in all corpora; they need not sum to one.

    What one name means is mixed in proportion to its tokens. What no name means is left out.
    """

    def __init__(self, weights: dict[str, NonNegative]):
        self.weights = weights

    def divide(self, amounts: Mapping[str, int], *, key: str) -> list[Stage]:
        key = f"{key}.weights"
        parts: dict[str, Fraction] = {}
        for name, sources in sources_meant(self.weights, [*amounts], key=key).items():
            weight, inside = self.weights[name], sum(amounts[source] for source in sources)
            if not isfinite(weight) or weight < 0:
                raise ValueError(f"{key}.{name}={weight:g}: a weight is a number of at least 0")
            if weight and not inside:
                raise ValueError(f"{key}.{name}={weight:g}, and there is nothing of it to read: leave it out, or set 0")
            if weight:
                parts |= {source: Fraction(str(weight)) * amounts[source] / inside for source in sources}
        return _whole(parts, amounts, key=key)


class Temperature(Mixture):
    """Shares in proportion to tokens ** (1 / temperature): above 1, small sources get more than they hold.

    1 is in proportion to what there is, and the higher, the more alike. Arivazhagan et al. 2019 take 5 for languages;
    Conneau et al. 2020 write the exponent as α = 1 / temperature and take 0.3. Both count sentences, not tokens. Of a
    source at most `most` tokens count towards its share, lest a vast one leave nothing to the others: with examples in
    place of tokens and temperature 1 this is the examples-proportional mixing of T5 and FLAN (Raffel et al. 2020;
    Wei et al. 2022, who count at most 3,000 examples).
    """

    def __init__(self, temperature: Positive, *, most: Positive | None = None):
        self.temperature, self.most = temperature, most

    def divide(self, amounts: Mapping[str, int], *, key: str) -> list[Stage]:
        key = f"{key}.temperature"
        if not isfinite(self.temperature) or self.temperature <= 0:
            raise ValueError(f"{key}={self.temperature:g}: must be more than 0 (data/mixture=uniform has no end to it)")
        counted = {source: n if self.most is None else min(n, self.most) for source, n in amounts.items()}
        largest = max(counted.values())  # as parts of which no power is too large
        parts = {source: Fraction((n / largest) ** (1 / self.temperature)) for source, n in counted.items() if n}
        return _whole(parts, amounts, key=key)


class Uniform(Mixture):
    """The same share for every source, as temperature has it without end.

    With data.max_epochs and data.excess=spread this is UniMax (Chung et al. 2023), in tokens instead of characters.
    """

    def divide(self, amounts: Mapping[str, int], *, key: str) -> list[Stage]:
        return _whole({source: Fraction(1) for source, amount in amounts.items() if amount}, amounts, key=key)


class Stages(Mixture):
    """Mixtures one after another, by name; `until` says where each ends, as a share of the run, the last at 1.

    A source goes on in the next stage where it was in the one before: no row comes again before all of its source have
    come.
    """

    def __init__(self, stages: dict[str, Mixture], *, until: dict[str, Positive]):
        self.stages, self.until = stages, until

    def divide(self, amounts: Mapping[str, int], *, key: str) -> list[Stage]:
        self._check(key)
        found, begin = [], Fraction(0)
        for name in sorted(self.stages, key=self.until.__getitem__):
            end = Fraction(str(self.until[name]))
            for stage in self.stages[name].divide(amounts, key=f"{key}.stages.{name}"):
                until = begin + (end - begin) * stage.until
                if stage.name:  # stages within a stage
                    found.append(replace(stage, until=until, name=f"{name}/{stage.name}"))
                else:
                    found.append(replace(stage, until=until, name=name, key=f"{key}.until.{name}={self.until[name]:g}"))
            begin = end
        return found

    def _check(self, key: str) -> None:
        if not self.stages:
            raise ValueError(f"{key}.stages: there is none; data/mixture=weights is one mixture for the whole run")
        for name in self.until:
            if name not in self.stages:
                raise ValueError(f"{key}.until.{name}: no such stage{did_you_mean(name, self.stages)}")
        for name in self.stages:
            if name not in self.until:
                raise ValueError(f"{key}.until.{name}: missing: say where the stage ends, as a share of the run")
            if not 0 < self.until[name] <= 1:
                raise ValueError(
                    f"{key}.until.{name}={self.until[name]:g}: a share of the run is above 0 and at most 1"
                )
        ordered = sorted(self.stages, key=self.until.__getitem__)
        for name, following in pairwise(ordered):
            if self.until[name] == self.until[following]:
                raise ValueError(
                    f"{key}.until: {name} and {following} both end at {self.until[name]:g}, so {following} would be "
                    "empty: set another end, or leave it out"
                )
        if self.until[ordered[-1]] != 1:
            raise ValueError(
                f"{key}.until.{ordered[-1]}={self.until[ordered[-1]]:g}: it ends last, and the rest would have no "
                "mixture: set 1"
            )


def _whole(parts: Mapping[str, Fraction], sources: Mapping[str, int], *, key: str) -> list[Stage]:
    """One stage for all of the run, with shares in the proportions of `parts`."""
    total = sum(parts.values())
    if not total:
        raise ValueError(f"{key}: nothing would be read: give one of {', '.join(sources)} a share above 0")
    return [Stage(key, Fraction(1), {source: parts.get(source, Fraction(0)) / total for source in sources})]
