"""What the closing chat of a pipeline asks the tuned model."""

from collections import Counter
from itertools import chain

from lm.corpus import Split, openings
from lm.jobs.fitting import Conversations, fit, is_generated, sources_of
from lm.progress import Console

FREE = "Who are you?"  # asked of the model that was tuned on the generated conversations


def closing_messages(corpus: str, conversations: Conversations, split: Split, *, count: int = 2) -> list[str]:
    """Held-out questions of the conversations that the model was tuned on, each of another task.

    The tasks with the most held-out questions come first. After the generated conversations about Python follows a
    free question. Where the conversations are these, but the corpus is another text, the only message is how a
    held-out document of that text begins.

    Args:
        corpus: Directory of the corpus run.
        conversations: The conversations of the instruct stage.
        split: Which of them are held out.
        count: Maximum number of held-out questions.
    """
    sources = sources_of(conversations)
    generated = is_generated(sources)
    if not fit(corpus, sources):
        Console("chat").line(
            "the conversations are generated ones about Python, not about this corpus; give your own by "
            "conversations=chat.jsonl"
        )
        return openings(corpus, count=1)
    first: dict[str, str] = {}
    tasks: Counter[str] = Counter()
    for talk in chain.from_iterable(sources):
        if split.held_out(talk) and talk.messages and talk.messages[0].role == "user":
            first.setdefault(talk.task, talk.messages[0].content)
            tasks[talk.task] += 1
    asked = [first[task] for task, _ in tasks.most_common(count)]
    return [*asked, FREE] if generated else asked or ["Hello!"]
