"""What the closing chat of a pipeline asks the tuned model."""

import json
from itertools import chain

from lm.conversation.sources import ConversationSource, PythonConversations
from lm.corpus import Split, openings
from lm.progress import Console
from lm.run.manifest import read_manifest

PYTHON = "lm.sources.PythonSource"


def closing_message(
    corpus: str, conversations: ConversationSource | dict[str, ConversationSource], split: Split
) -> str:
    """A held-out question of the conversations that the model was tuned on.

    Where these are the generated ones about Python, but the corpus is another text, it is how a held-out document of
    that text begins.

    Args:
        corpus: Directory of the corpus run.
        conversations: The conversations of the instruct stage.
        split: Which of them are held out.
    """
    sources = list(conversations.values()) if isinstance(conversations, dict) else [conversations]
    generated = all(isinstance(source, PythonConversations) for source in sources)
    if generated and PYTHON not in json.dumps(read_manifest(corpus)["config"]["corpus"]):
        Console("chat").line(
            "the conversations are generated ones about Python, not about this corpus; set your own by "
            "data/conversations@instruct.data.conversations=auto instruct.data.conversations.path=…"
        )
        return openings(corpus, count=1)[0]
    held_out = (talk for talk in chain.from_iterable(sources) if split.held_out(talk))
    asked = (talk.messages[0].content for talk in held_out if talk.messages and talk.messages[0].role == "user")
    return next(asked, "Hello!")
