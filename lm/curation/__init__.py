"""Curation of instruction data: rules that drop conversations, their difficulty, and the selection of some.

The job `lm curate` applies them in this order.
"""

from lm.curation.difficulty import Difficulty
from lm.curation.features import spherical_kmeans, tfidf_features
from lm.curation.form import Form
from lm.curation.rules import ConversationRule, Fits, Lengths, Phrases, Rule, text_of
from lm.curation.selection import Best, Diverse, Random, Selection, quotas
from lm.curation.text_rule import TextRule

__all__ = [
    "Best",
    "ConversationRule",
    "Difficulty",
    "Diverse",
    "Fits",
    "Form",
    "Lengths",
    "Phrases",
    "Random",
    "Rule",
    "Selection",
    "TextRule",
    "quotas",
    "spherical_kmeans",
    "text_of",
    "tfidf_features",
]
