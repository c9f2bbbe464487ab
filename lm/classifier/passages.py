"""Long texts as passages of the length that a classifier was trained on."""

from collections.abc import Iterator


def passages(text: str, size: int) -> Iterator[str]:
    """Yield the passages of a text, of at most `size` characters, which end at white space where there is any.

    Args:
        text: The text.
        size: Largest number of characters of a passage.
    """
    begin = 0
    while len(text) - begin > size:
        end = begin + size
        cut = next((place for place in range(end, begin + size // 2, -1) if text[place].isspace()), end)
        if passage := text[begin:cut].strip():
            yield passage
        begin = cut
    if passage := text[begin:].strip():
        yield passage
