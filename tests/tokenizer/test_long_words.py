"""Long words of WordPiece get the ids of `tokenizers`, in time that grows with their length."""

import random

import pytest
import tokenizers
from tokenizers import AddedToken

from lm.tokenizer import Tokenizer, train_wordpiece
from lm.tokenizer.load import with_special_tokens
from lm.tokenizer.long_words import LIMIT, NO_LIMIT, LongestMatch
from lm.tokenizer.wordpiece import WITHIN


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    draw = random.Random(0)
    words = ["".join(draw.choices("abcé", k=draw.randint(1, 9))) for _ in range(40)]
    return train_wordpiece([" ".join(draw.choices(words, k=3000)) + "-" * 900], vocab_size=700)


def test_words_of_any_length_get_the_ids_of_tokenizers(tokenizer):
    original = tokenizers.Tokenizer.from_str(tokenizer.content)
    draw = random.Random(1)
    texts = ["".join(draw.choices([*"abcé-. ", "abc" * 9, "--" * 9], k=draw.randrange(40))) for _ in range(300)]
    texts += ["a" * size for size in (LIMIT - 1, LIMIT, LIMIT + 1)] + ["é" * (LIMIT // 2 + 1), ""]
    assert any(len(word) > 3 * LIMIT for text in texts for word in text.split())
    for text, batch in zip(texts, tokenizer.encode_batch(texts), strict=True):
        ids = original.encode(text, add_special_tokens=False).ids
        assert tokenizer.encode(text) == ids == batch.tolist(), text
        assert tokenizer.decode(ids) == text


def test_the_work_grows_with_the_length_of_a_word():
    class Counted(str):
        cuts = 0

        def __getitem__(self, key):
            Counted.cuts += 1
            return str(self)[key]

    draw, cuts = random.Random(0), []
    entries = ["a", "b", "ab", "abab", "bbb", *(WITHIN + entry for entry in ("a", "b", "ba", "aab", "bbabb"))]
    match = LongestMatch({entry: number for number, entry in enumerate(entries)}, WITHIN)
    for size in (1_000, 10_000):
        Counted.cuts = 0
        match(Counted("".join(draw.choices("ab", k=size))))
        cuts.append(Counted.cuts)
    assert cuts[1] < 12 * cuts[0], "for ten times the letters"


def test_a_long_word_ends_with_what_is_left_of_it():
    match = LongestMatch({"a": 0, "abc": 1, "##b": 2, "##bcd": 3, "##c": 4}, "##")
    assert match("abcbc") == [1, 2, 4]
    assert match("abb") == [0, 2, 2]


def test_a_file_that_gives_up_on_long_words_is_refused_with_a_remedy_that_works(tokenizer):
    content = tokenizer.content.replace(f'"max_input_chars_per_word": {NO_LIMIT}', '"max_input_chars_per_word": 100')
    with pytest.raises(ValueError, match=f'loses words of more than 100 bytes: set "max_input.*": {NO_LIMIT} in'):
        with_special_tokens(content)


def test_added_tokens_beside_long_words_are_found(tokenizer):
    backend = tokenizers.Tokenizer.from_str(tokenizer.content)
    backend.add_tokens([AddedToken("<h>", normalized=False)])
    text = f"{'a' * 99}<h>{'b' * 99} c<h>"
    assert with_special_tokens(backend.to_str()).encode(text) == backend.encode(text, add_special_tokens=False).ids
