"""How much of the secrets of canaries a model gives away, by the number of copies that it has read."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lm.bounds import Count
from lm.checkpoint.lineage import check_tokenizer
from lm.config.build import build
from lm.corpus import Canaries, Canary, count_occurrences
from lm.directory.manifest import read_manifest
from lm.evaluation.evaluation import Evaluation
from lm.evaluation.intervals import estimate
from lm.evaluation.memory.exposure_table import exposure_table
from lm.evaluation.memory.training_corpora import TrainingCorpora
from lm.evaluation.rank import Exposure, estimated, exact
from lm.evaluation.scorer import Request, Scorer
from lm.files import hash_json
from lm.model import ModelSource, Transformer
from lm.tokenizer import Tokenizer

CANARIES = "lm.corpus.Canaries"


class CanaryExposure(Evaluation):
    """The exposure of canaries: log2 |R| - log2 rank of the secret among all possible secrets (arXiv:1802.08232).

    The rank is by the likelihood of the whole text. It is exact where there are at most `max_candidates` secrets; of
    more, so many are drawn, and the rank is their share of likelier ones, or that of a skew-normal distribution fitted
    to them. A model that has not read a secret exposes 1.44 bits on average, whatever the number of secrets. Canaries
    of 0 copies, and a control, a model trained without any, say what chance gives.

    Args:
        training: The corpora that the model was trained on; they record their canaries, and copies are counted there.
        canaries: The canaries; null takes those that the corpora record.
        control: A model trained without the canaries, with the same tokenizer; null for none.
        max_candidates: Maximum number of secrets that are scored for a canary.
        seed: Seed of the draws, where there are more secrets.
        batch_tokens: Maximum number of tokens of a forward pass; changes speed and memory.
    """

    def __init__(
        self,
        training: TrainingCorpora,
        *,
        canaries: Canaries | None = None,
        control: ModelSource | None = None,
        max_candidates: Count = 10_000,
        seed: int = 0,
        batch_tokens: Count = 4096,
    ):
        if max_candidates < 100:
            raise ValueError(f"evaluation.max_candidates={max_candidates} is too few for a rank: try 10000")
        self.training, self.canaries, self.control = training, canaries, control
        self.max_candidates, self.seed, self.batch_tokens = max_candidates, seed, batch_tokens

    def fingerprint(self) -> str:
        control = {} if self.control is None else self.control.fingerprint()
        return hash_json([self.training.fingerprint(), self._planted().identity(), control])

    def __call__(self, model: Transformer, tokenizer: Tokenizer) -> dict[str, Any]:
        """Return exposures by number of copies; `items` has each canary."""
        planted = self._planted()
        canaries = planted.all()
        copies = self._copies(canaries, tokenizer)
        models = {"model": model}
        if self.control is not None:
            check_tokenizer(self.control.origin, tokenizer)
            models["control"] = self.control.build(vocab_size=tokenizer.vocab_size)
        scorers = {who: Scorer(each, batch_tokens=self.batch_tokens) for who, each in models.items()}
        found = {
            who: [self._exposure(planted, canary, scorer, tokenizer) for canary in canaries]
            for who, scorer in scorers.items()
        }
        groups = {
            str(count): {who: _scores([each[n] for n in _places(copies, count)]) for who, each in found.items()}
            for count in sorted({*copies})
        }
        read = [n for n, count in enumerate(copies) if count] or [*range(len(copies))]
        whole = _scores([found["model"][n] for n in read])
        return {
            "secrets": planted.size,
            "bits": float(np.log2(planted.size)),
            "format": planted.format,
            "methods": sorted({each.method for those in found.values() for each in those}),
            "otherwise_copied": sum(each.copies != count for each, count in zip(canaries, copies, strict=True)),
            "main": "exposure",
            "metrics": {"exposure": whole["exposure"] | PLAIN},
            "copies": groups,
            "items": [
                _record(canary, copies[n], {who: each[n] for who, each in found.items()})
                for n, canary in enumerate(canaries)
            ],
        }

    def table(self, results: dict[str, Any]) -> str:
        return exposure_table(results)

    def _planted(self) -> Canaries:
        if self.canaries is not None:
            return self.canaries
        directories = self.training.directories()
        for directory in directories:
            try:
                node = _recorded(read_manifest(directory)["config"])
            except FileNotFoundError:
                continue  # copied without its record
            if node is not None:
                return build(node, key="corpus.canaries")
        raise ValueError(
            f"evaluation.canaries: {', '.join(map(str, directories))} has no canaries: make a corpus with them, as lm "
            "corpus corpus=canaries run.name=planted, and train on it; or name those that the text has in "
            "evaluation.canaries"
        )

    def _copies(self, canaries: Sequence[Canary], tokenizer: Tokenizer) -> list[int]:
        """How often each canary stands in the training corpora as a document."""
        end = tokenizer.end_of_document
        texts = [(end, *tokenizer.encode(each.text), end) for each in canaries]
        shards = self.training.shards(tokenizer=tokenizer).values()
        streams = [stream for each in shards for stream in each.streams.values()]
        counts = [0] * len(texts)
        for length in {len(text) for text in texts}:
            places = [n for n, text in enumerate(texts) if len(text) == length]
            for place, count in zip(places, count_occurrences(streams, [texts[n] for n in places]), strict=True):
                counts[place] = count
        return counts

    def _exposure(self, planted: Canaries, canary: Canary, scorer: Scorer, tokenizer: Tokenizer) -> Exposure:
        size, whole = planted.size, planted.size <= self.max_candidates
        if whole:
            secrets = [planted.secret(place) for place in range(size)]
        else:
            draw = random.Random(f"{self.seed}:{canary.number}")
            secrets = [planted.secret(draw.randrange(size)) for _ in range(self.max_candidates)]
        others = [each for each in secrets if each != canary.secret]
        texts = [planted.text(canary.name, each) for each in (canary.secret, *others)]
        requests = [Request((tokenizer.beginning,), tuple(tokenizer.encode(text))) for text in texts]
        mine, *theirs = [sum(each.nats) for each in scorer(requests)]
        return exact(mine, theirs) if whole else estimated(mine, theirs, size)


PLAIN = {"share": False, "chance": None, "majority": None, "centred": None, "ties": 0}  # as a benchmark's metric


def _places(copies: Sequence[int], count: int) -> list[int]:
    return [n for n, each in enumerate(copies) if each == count]


def _scores(found: Sequence[Exposure]) -> dict[str, Any]:
    made = estimate([each.bits for each in found], share=False)
    first = estimate([float(each.rank <= 1) for each in found], share=True)
    return {
        "canaries": len(found),
        "exposure": {
            "value": made.value,
            "interval": [*made.interval],
            "stderr": made.stderr,
            "count": made.count,
        },
        "first": {"value": first.value, "interval": [*first.interval], "count": first.count},
    }


def _record(canary: Canary, copies: int, found: Mapping[str, Exposure]) -> dict[str, Any]:
    record = {"id": hash_json(canary.text)[:16], "text": canary.text, "copies": copies, "planned": canary.copies}
    record["values"] = {"exposure": found["model"].bits if copies else None}
    for who, each in found.items():
        record[who] = {
            "exposure": each.bits,
            "interval": [*each.interval],
            "rank": each.rank,
            "method": each.method,
        }
    return record


def _recorded(value: Any) -> dict | None:
    """The first node of canaries in a config."""
    if isinstance(value, dict):
        if value.get("_target_") == CANARIES:
            return value
        value = [*value.values()]
    if isinstance(value, list):
        return next((found for each in value if (found := _recorded(each)) is not None), None)
    return None
