"""Encode the long words of a WordPiece vocabulary in linear time.

For each token `tokenizers` tries every end of the word, from the last character down: the time grows with the cube of
an unbroken run of letters. Words up to a limit are left to it; longer ones give its unknown token, in whose place come
the ids that it would have given.
"""

from collections.abc import Mapping

import tokenizers
from tokenizers.models import WordPiece

NO_LIMIT = 1_000_000_000  # letters of a word, in the file
LIMIT = 32  # letters of a word for `tokenizers`; of 16, 32, 64 and 128 the fastest on text and on runs


class LongWords:
    """The words that `tokenizers` does not encode itself: those of WordPiece without added tokens of plain text.

    Args:
        backend: The tokenizer. Its limit of letters per word is lowered; the file keeps its own.

    Raises:
        ValueError: The file itself gives up on long words.
    """

    def __init__(self, backend: tokenizers.Tokenizer):
        self._active = False
        if not isinstance(backend.model, WordPiece):
            return
        if backend.model.max_input_chars_per_word < NO_LIMIT:
            raise ValueError(
                f"its WordPiece loses words of more than {backend.model.max_input_chars_per_word} bytes: set "
                f'"max_input_chars_per_word": {NO_LIMIT} in the file'
            )
        if not all(token.special for token in backend.get_added_tokens_decoder().values()):
            return  # these split texts too, so the words of a text are not known here
        self._active = True
        backend.model.max_input_chars_per_word = LIMIT
        self._backend = backend
        self._unknown = backend.token_to_id(backend.model.unk_token)
        self._match = LongestMatch(backend.get_vocab(with_added_tokens=False), backend.model.continuing_subword_prefix)

    def fill(self, text: str, ids: list[int]) -> list[int]:
        """Return the ids of a text with those of its long words in place of the unknown token."""
        if not self._active or self._unknown not in ids:
            return ids
        normalizer = self._backend.normalizer
        read = normalizer.normalize_str(text) if normalizer else text
        pieces = (piece for piece, _ in self._backend.pre_tokenizer.pre_tokenize_str(read))
        words = (piece for piece in pieces if len(piece) > LIMIT)
        filled: list[int] = []
        for number in ids:
            filled += self._match(next(words)) if number == self._unknown else [number]
        return filled


class LongestMatch:
    """Encode a word by the longest entry that matches, from the left, letter by letter.

    Args:
        vocabulary: Entry → id.
        within: Prefix of the entries within a word.
    """

    def __init__(self, vocabulary: Mapping[str, int], within: str):
        self._ids = vocabulary, {entry.removeprefix(within): n for entry, n in vocabulary.items() if within in entry}
        self._longer = tuple({entry[:stop] for entry in ids for stop in range(1, len(entry))} for ids in self._ids)

    def __call__(self, word: str) -> list[int]:
        """Return the ids of a word. Each byte has an entry at the start of a word and within."""
        found, start = [], 0
        while start < len(word):
            ids, longer = self._ids[start > 0], self._longer[start > 0]
            stop = start + 1
            best = stop
            while word[start:stop] in longer and stop < len(word):
                stop += 1
                best = stop if word[start:stop] in ids else best
            found.append(ids[word[start:best]])
            start = best
        return found
