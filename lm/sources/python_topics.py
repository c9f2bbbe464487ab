"""Python's help topics, as `help("LOOPING")` shows them: chapters of the language reference."""

from dataclasses import dataclass

SHARED = 100  # characters: paragraphs as long as this are not alike by chance


@dataclass(frozen=True)
class Topic:
    """A chapter. Some are parts of others, as `while` of `compound`; those share a group."""

    name: str
    text: str
    group: str


def help_topics() -> list[Topic]:
    """All topics, by name; none where a small distribution of Python leaves them out."""
    try:
        from pydoc_data.topics import topics
    except ImportError:
        return []
    groups = _groups(topics)
    return [Topic(name, text, groups[name]) for name, text in sorted(topics.items())]


def _groups(topics: dict[str, str]) -> dict[str, str]:
    """The group of each topic: those that share a long paragraph, directly or by way of others, are one."""
    above = {name: name for name in topics}

    def top(name: str) -> str:
        while above[name] != name:
            name = above[name]
        return name

    first: dict[str, str] = {}
    for name, text in sorted(topics.items()):
        for paragraph in text.split("\n\n"):
            words = " ".join(paragraph.split())
            if len(words) >= SHARED:
                one, other = sorted((top(first.setdefault(words, name)), top(name)))
                above[other] = one
    return {name: top(name) for name in topics}
