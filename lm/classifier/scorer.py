"""A trained classifier as a scorer of texts, and the file that holds it."""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lm.bounds import Count
from lm.classifier.features import TextFeatures
from lm.classifier.logistic import Classifier
from lm.classifier.passages import passages
from lm.classifier.quality import quality_lines
from lm.files import atomic_path, hash_file, report_damage

FILE = "classifier.npz"
FORMAT = 1
DIGITS = 8  # of the hash that is the version


class ClassifierScorer:
    """Scores texts from 0 to 1 by a classifier that `lm classifier` trained.

    The score is the probability of the property that it learned, such as being toxic, if as many texts had it as not.
    It knows what its examples show: its quality on held-out texts and on cases stands beside each result.

    Args:
        path: A run of `lm classifier`.
        passage: Largest number of characters that are scored as one; a longer text has the score of its worst passage.
    """

    def __init__(self, *, path: str, passage: Count = 400):
        file = Path(path).expanduser()
        file = file if file.suffix == ".npz" else file / FILE
        if not file.is_file():
            raise ValueError(
                f"scorer.path: there is no {file}: train one, as lm classifier texts.path=labelled.csv "
                "run.name=toxicity, and name its directory, as outputs/classifier/toxicity"
            )
        self.path, self.passage = str(file), passage
        classifier, self.features, self.about = load_classifier(file)
        self.classifier = classifier
        self.name = f"{self.about['name']} {hash_file(file)[:DIGITS]}"

    def __call__(self, texts: Sequence[str]) -> list[float]:
        return [max(map(self._score, passages(text, self.passage)), default=0.0) for text in texts]

    @cached_property
    def quality(self) -> list[str]:
        """Lines on how good it is."""
        return quality_lines(self.name, self.about["quality"])

    def _score(self, passage: str) -> float:
        return self.classifier.score(self.features(passage))


def save_classifier(file: Path, classifier: Classifier, features: TextFeatures, about: dict[str, Any]) -> None:
    """Write a classifier as arrays and JSON; the same one gives the same bytes.

    Args:
        file: The file.
        classifier: The classifier.
        features: What it sees of a text.
        about: `name`, `quality`, and what else is known of it, as plain data.
    """
    described = {"format": FORMAT, "characters": features.characters, "bias": classifier.bias, **about}
    with atomic_path(file) as temporary:
        np.savez_compressed(temporary, weights=classifier.weights, about=np.array(json.dumps(described)))


def load_classifier(file: Path) -> tuple[Classifier, TextFeatures, dict[str, Any]]:
    """Return the classifier of a file, what it sees of a text, and what is known of it."""
    with report_damage(file, "train it again with run.restart=true, or copy it again"), np.load(file) as arrays:
        about = json.loads(str(arrays["about"]))
        weights = arrays["weights"]
        form = about["format"]
    if form != FORMAT:
        raise ValueError(f"scorer.path: {file} has the format {form}, not {FORMAT}: train it again with this version")
    features = TextFeatures(about["characters"])
    return Classifier(weights, float(about["bias"])), features, about
