"""Classifiers of texts, such as toxic ones, trained in seconds on labelled files."""

from lm.classifier.documents import LabelledDocuments
from lm.classifier.features import TextFeatures
from lm.classifier.labelled import LabelledText, LabelledTexts
from lm.classifier.scorer import ClassifierScorer

__all__ = ["ClassifierScorer", "LabelledDocuments", "LabelledText", "LabelledTexts", "TextFeatures"]
