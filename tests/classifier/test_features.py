"""Features of a text: words, pairs and runs of characters, each hashed once."""

from hashlib import blake2b

import numpy as np
import pytest

from lm.classifier import TextFeatures
from lm.classifier.features import FEATURE_BITS, character_features, word_features


def test_a_word_has_the_same_feature_at_every_offset():
    single = {word: word_features(word)[0] for word in ("tree", "trees", "été", "x", ",", "日", "本")}
    assert len(set(single.values())) == len(single)
    text = "A  tree, été\n日本 trees x"
    words = word_features(text)
    order = ["tree", ",", "été", "日", "本", "trees", "x"]
    assert [*words[1:8]] == [single[word] for word in order]
    assert len(words) == 8 + 7  # and pairs of neighbours
    assert word_features("tree x")[-1] == word_features("x. tree x")[-1]
    assert word_features("tree x")[-1] != word_features("x tree")[-1]
    assert [*word_features("In 1984")] == [*word_features("in 2001")]
    assert not len(word_features(" \n"))
    assert not len(word_features(""))
    assert len(set(word_features(" ".join(map(chr, range(0x4E00, 0x9000))))[:16384])) > 0.96 * 16384
    assert word_features(wide := "long " * 30000)[0] == word_features("long")[0] == word_features(wide)[29999]
    assert 0 <= words.min() <= words.max() < 1 << FEATURE_BITS


def runs(text: str, length: int) -> list[str]:
    """The runs of characters of a text, found one by one."""
    plain = "".join("0" if sign in "123456789" else sign for sign in text.lower())
    padded = f" {' '.join(plain.split())} ".encode()
    return [padded[start : start + length] for start in range(len(padded) - length + 1)]


@pytest.mark.parametrize("text", ["a", "Ab  cd\n12", "  été \t日本", "x" * 9, "The cat sat; the CAT sat.", " \n"])
def test_equal_runs_of_characters_have_equal_features_and_others_differ(text):
    for length in (1, 3, 5):
        found = character_features(text, [length])
        expected = runs(text, length) if text.strip() else []
        assert len(found[0] if found else []) == len(expected)
        pairs = {*zip(expected, (found[0] if found else np.zeros(0)).tolist(), strict=True)}
        assert len(pairs) == len({run for run, _ in pairs}) == len({number for _, number in pairs})


def test_a_run_has_the_same_feature_in_every_text_and_at_every_offset():
    wide = character_features("long " * 30000 + "end", [4])[0]
    assert wide[5] == wide[149995] == character_features("so long ago", [4])[0][3]
    assert len({*wide.tolist()}) == 5 + 4  # those of "long long", and "ng e", "g en", " end", "end "
    assert character_features("In 1984", [3])[0].tolist() == character_features("in 2001", [3])[0].tolist()


def test_a_text_has_each_feature_once_in_ascending_order():
    features = TextFeatures([3])
    found = features("the cat and the cat").tolist()
    assert found == sorted({*found})
    assert features("the cat").size == len({*word_features("the cat").tolist()}) + len(runs("the cat", 3))
    assert max(found) < features.size == 2 << FEATURE_BITS
    assert TextFeatures([]).size == 1 << FEATURE_BITS
    assert TextFeatures([])("a b").tolist() == sorted(word_features("a b").tolist())
    assert features(" \n").size == features("").size == 0


def test_features_are_the_same_on_every_machine():
    digest = blake2b(TextFeatures([3, 4, 5])("You 22 fools, été 日本!").astype("<i8").tobytes(), digest_size=8)
    assert digest.hexdigest() == "55780bf6fd3a5a01"


def test_a_length_below_1_is_refused():
    with pytest.raises(ValueError, match=r"features\.characters=\[0, 3\]: lengths are 1 or more"):
        TextFeatures([0, 3])
