"""What becomes of a document before it is learned from: each a callable that gives it back, changed or not, or says why
it is dropped."""

from lm.filter.clean import Clean

__all__ = ["Clean"]
