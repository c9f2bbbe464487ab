"""Choosing the conversations that are worth learning from."""

from lm.curation.difficulty import Difficulty
from lm.curation.features import clusters, features
from lm.curation.fits import Fits
from lm.curation.form import Form
from lm.curation.lengths import Lengths
from lm.curation.phrases import Phrases
from lm.curation.rule import EachRule, Rule, said
from lm.curation.selection import Best, Diverse, Drawn, Selection, quotas
from lm.curation.text_rule import TextRule

__all__ = [
    "Best",
    "Difficulty",
    "Diverse",
    "Drawn",
    "EachRule",
    "Fits",
    "Form",
    "Lengths",
    "Phrases",
    "Rule",
    "Selection",
    "TextRule",
    "clusters",
    "features",
    "quotas",
    "said",
]
