"""Whether a pipeline has conversations that fit its text."""

import json
from collections.abc import Callable, Sequence
from functools import partial

from lm.conversation.sources import ConversationSource, PreferenceSource, PythonConversations
from lm.directory.manifest import read_manifest

PYTHON = "lm.sources.PythonSource"
Conversations = ConversationSource | dict[str, ConversationSource]


def check_conversations(
    corpus: str, conversations: Conversations, preferences: PreferenceSource | None = None
) -> Callable[[], bool]:
    """Read the first conversation of each source, and the first pair, before hours of training rather than after them.

    Args:
        corpus: Directory of the corpus run, which need not exist yet.
        conversations: The conversations of the instruct stage.
        preferences: The pairs of the alignment; null for none.

    Returns:
        A function for the time when the corpus exists: whether the conversations fit it.

    Raises:
        ValueError: A file does not exist, or has no conversation or no pair.
    """
    sources = sources_of(conversations)
    for source in sources:
        if not is_generated([source]) and next(iter(source), None) is None:
            raise ValueError(f"data.conversations.path has no conversation{_because(source)}")
    if preferences is not None and next(iter(preferences), None) is None:
        raise ValueError(f"data.preferences.path has no pair{_because(preferences)}")
    return partial(fit, corpus, sources)


def fit(corpus: str, sources: Sequence[ConversationSource]) -> bool:
    """Whether conversations are not generated ones about Python, or the corpus has Python's library too."""
    return not is_generated(sources) or PYTHON in json.dumps(read_manifest(corpus)["config"]["corpus"])


def is_generated(sources: Sequence[ConversationSource]) -> bool:
    """Whether all conversations are generated ones about Python."""
    return all(isinstance(source, PythonConversations) for source in sources)


def sources_of(conversations: Conversations) -> list[ConversationSource]:
    """The one source of conversations, or those of a mixture."""
    return list(conversations.values()) if isinstance(conversations, dict) else [conversations]


def _because(source: ConversationSource | PreferenceSource) -> str:
    return f" ({'; '.join(source.notes)})" if source.notes else ""
