"""A saved classifier scores as the one that was trained, and says which one it is."""

import pickle

import numpy as np
import pytest

from lm.classifier import ClassifierScorer, TextFeatures
from lm.classifier.logistic import train_classifier
from lm.classifier.scorer import FILE, load_classifier, save_classifier
from lm.files import hash_file

FEATURES = TextFeatures([3])
QUALITY = {"auc": 0.9, "auc_interval": [0.8, 0.95], "texts": 40, "found": 0.8, "flagged": 0.1}


@pytest.fixture
def made(tmp_path):
    poor = ["you fool", "what a fool you are", "stupid fool"]
    kind = ["a kind word", "what a fine day", "thank you"]
    classifier = train_classifier([*map(FEATURES, kind)], [*map(FEATURES, poor)], size=FEATURES.size, epochs=20)
    about = {"name": "toxicity", "quality": {"held_out": QUALITY, "cases": None}}
    save_classifier(tmp_path / FILE, classifier, FEATURES, about)
    return classifier, tmp_path


def test_scores_are_those_of_the_classifier_also_after_pickling(made):
    classifier, directory = made
    scorer = ClassifierScorer(path=str(directory))
    texts = ["you fool", "fine"]
    assert scorer(texts) == [classifier.score(FEATURES(text)) for text in texts]
    assert scorer(texts)[0] > 0.5 > scorer(["a fine day"])[0]
    assert pickle.loads(pickle.dumps(scorer))(texts) == scorer(texts)
    assert scorer([]) == []


def test_a_long_text_has_the_score_of_its_worst_passage_and_an_empty_one_0(made):
    scorer = ClassifierScorer(path=str(made[1]), passage=20)
    long = "a kind word and day " * 30 + "you stupid fool " + "thank you for this " * 30
    assert scorer([long])[0] > 0.5 > scorer(["a kind word and day " * 60])[0]
    assert scorer(["", " \n"]) == [0.0, 0.0]


def test_the_name_has_a_version_and_the_same_classifier_the_same_file(made, tmp_path):
    classifier, directory = made
    scorer = ClassifierScorer(path=str(directory))
    assert scorer.name == f"toxicity {hash_file(directory / FILE)[:8]}"
    assert scorer.quality[0].startswith(f"scorer {scorer.name}: AUC 0.900 (0.800 – 0.950) on 40 held-out texts")
    _, features, about = load_classifier(directory / FILE)
    save_classifier(tmp_path / "again.npz", classifier, features, {key: about[key] for key in ("name", "quality")})
    assert (tmp_path / "again.npz").read_bytes() == (directory / FILE).read_bytes()


def test_a_missing_a_damaged_and_a_foreign_file_are_told_with_the_remedy(made, tmp_path):
    with pytest.raises(
        ValueError, match=r"scorer\.path: there is no none/classifier\.npz: train one, as lm classifier"
    ):
        ClassifierScorer(path="none")
    damaged = tmp_path / "damaged.npz"
    damaged.write_bytes((made[1] / FILE).read_bytes()[:200])
    with pytest.raises(ValueError, match=r"damaged\.npz is damaged .* run\.restart=true"):
        ClassifierScorer(path=str(damaged))
    np.savez(tmp_path / "old.npz", weights=np.zeros(1), about=np.array('{"format": 0}'))
    with pytest.raises(ValueError, match=r"old\.npz has the format 0, not 1"):
        ClassifierScorer(path=str(tmp_path / "old.npz"))
    pickled = tmp_path / "pickled.npz"
    np.savez(pickled, weights=np.array([{}], dtype=object), about=np.array("{}"))
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        ClassifierScorer(path=str(pickled))
