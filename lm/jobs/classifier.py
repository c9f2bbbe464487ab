"""Train a classifier of texts on labelled files, and measure it on held-out texts and on cases."""

import json
from collections.abc import Sequence
from time import perf_counter
from typing import Any

from lm.bounds import Count
from lm.classifier import ClassifierScorer, LabelledText, LabelledTexts, TextFeatures
from lm.classifier.logistic import train_classifier as train
from lm.classifier.quality import quality_of, quality_table
from lm.classifier.scorer import FILE, save_classifier
from lm.corpus import Split, hash_fraction
from lm.directory import Run
from lm.files import write_atomically

FEWEST = 10  # texts of each label, to train on and to measure on


def train_classifier(
    run: Run,
    texts: LabelledTexts,
    cases: LabelledTexts,
    features: TextFeatures,
    split: Split,
    epochs: Count = 5,
) -> dict[str, Any]:
    """Train a classifier on the texts that the split does not hold out; write classifier.npz and quality.json.

    It is logistic regression, and the same texts give the same classifier bit for bit, whatever their order. Each of
    its scores is to be read beside its quality: the area under the ROC curve on held-out texts, and what it makes of
    cases that each test one thing, such as those of HateCheck.

    Args:
        run: The run whose directory receives the classifier.
        texts: Texts with labels to train and to measure on.
        cases: Texts with labels to measure on by kind, such as HateCheck's by functionality; may be none.
        features: What the classifier sees of a text.
        split: The texts that are held out, by a hash of each text or of its group.
        epochs: Passes over the training texts. More make scores more extreme; beyond 5 the AUC hardly rises.

    Returns:
        The content of quality.json: `held_out`, and `cases`, None without any.

    Raises:
        ValueError: A label is missing or means nothing, or there are too few texts of a label.
    """
    if not texts:
        raise ValueError("texts.path=null: set it to labelled files, as texts.path=toxicity.csv")
    if run.finished({"texts": texts.fingerprint(), "cases": cases.fingerprint()}):
        quality, outcome = run.result, "nothing to do"
    else:
        started = perf_counter()
        quality = _trained(run, texts, cases, features=features, split=split, epochs=epochs)
        outcome = f"trained on {quality['trained_on']} texts in {perf_counter() - started:.1f} s"
    run.console.block(quality_table(quality["held_out"], quality["cases"]), "\n".join(quality["notes"]))
    run.console.line(f"{outcome} → {run.directory}", before="\n")
    return quality


def _trained(
    run: Run, texts: LabelledTexts, cases: LabelledTexts, *, features: TextFeatures, split: Split, epochs: int
) -> dict[str, Any]:
    """Train, measure and write."""
    labelled, tested = [*texts], [*cases]
    held_out = [each for each in labelled if split.held_out(each)]
    training = [each for each in labelled if not split.held_out(each)]
    _check_enough(training, held_out)
    known = {each.text for each in training}
    unseen = [each for each in tested if each.text not in known]
    notes = [*texts.notes, *cases.notes]
    if len(unseen) < len(tested):
        notes.append(f"{len(tested) - len(unseen)} cases were trained on and are left out")
    training.sort(key=hash_fraction)  # so that the order of the files does not matter
    sides: tuple[list, list] = [], []
    for each in training:
        if len(found := features(each.text)):
            sides[each.positive].append(found)
    classifier = train(*sides, size=features.size, epochs=epochs)
    about = {"name": run.name, "quality": {"held_out": None, "cases": None}}
    file = run.directory / FILE
    save_classifier(file, classifier, features, about)
    scorer = ClassifierScorer(path=str(file))
    quality = {
        "held_out": quality_of(held_out, scorer([each.text for each in held_out])),
        "cases": quality_of(unseen, scorer([each.text for each in unseen])) if unseen else None,
    }
    save_classifier(file, classifier, features, about | {"quality": quality})
    result = {"trained_on": len(training), "epochs": epochs, "notes": [f"note: {note}" for note in notes], **quality}
    write_atomically(run.directory / "quality.json", json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    run.finish(outputs=[file, run.directory / "quality.json"], result=result)
    return result


def _check_enough(training: Sequence[LabelledText], held_out: Sequence[LabelledText]) -> None:
    for part, name in ((training, "to train on"), (held_out, "held out")):
        for positive in (True, False):
            count = sum(each.positive == positive for each in part)
            if count < FEWEST:
                side = "have" if positive else "do not have"
                raise ValueError(
                    f"texts.path: {count} texts {name} {side} the property, and {FEWEST} are needed: give more texts, "
                    "name its labels in texts.positive, or change split.share"
                )
