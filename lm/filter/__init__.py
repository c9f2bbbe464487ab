"""What becomes of a document before it is learned from: each a callable that gives it back, changed or not, or says why
it is dropped."""

from lm.filter.boilerplate import Boilerplate
from lm.filter.clean import Clean
from lm.filter.language import Language
from lm.filter.learned import LearnedQuality
from lm.filter.personal import Personal
from lm.filter.toxicity import WordList

__all__ = ["Boilerplate", "Clean", "Language", "LearnedQuality", "Personal", "WordList"]
