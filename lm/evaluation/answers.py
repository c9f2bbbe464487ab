"""Whether a tuned model answers and stops: replies to held-out questions, greedily."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from lm.conversation import Conversation, Template
from lm.corpus import Split
from lm.generation import Generator, Sampling
from lm.model import Transformer
from lm.progress import track
from lm.tokenizer import Tokenizer
