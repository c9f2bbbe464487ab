"""An n-gram of an item is found whatever the case and punctuation around it."""

from lm.filter.text.item_index import ItemIndex

ITEM = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"


def numbers(index: ItemIndex, text: str) -> set[int]:
    return {item for item, _, _ in index.find(index.words(text))}


def test_thirteen_words_in_a_row_are_found_and_twelve_are_not():
    index = ItemIndex([["short"], [ITEM, "a second text"], [ITEM.replace("one", "zero")]])
    assert index.searched == [1, 2]
    assert numbers(index, "Well: ONE two, three four five six seven eight nine ten eleven twelve thirteen!") == {1}
    assert numbers(index, f"and {ITEM}") == {1, 2}
    assert numbers(index, " ".join(ITEM.split()[1:13])) == set()
    assert index.find(index.words(f"and {ITEM.rsplit(' ', 1)[0]}")) == [(1, 1, 14)]


def test_shorter_texts_are_searched_as_a_whole_from_some_words_on():
    index = ItemIndex([["one two three"], ["one two"]], min_words=3, ngram=5)
    assert index.searched == [0]
    assert numbers(index, "so one two three") == {0}
    assert numbers(index, "so two three") == set()
    assert ItemIndex([["one"]]).find([b"one"]) == []


def test_n_grams_of_many_items_are_not_searched():
    index = ItemIndex([[ITEM]] * 3, max_items=2)
    assert (numbers(index, ITEM), index.common) == (set(), 2)
