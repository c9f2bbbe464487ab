"""A prompt and its answers become tokens so that scores compare equal texts, also where a token spans the join."""

import pytest

from lm.evaluation.join import aligned, harness
from lm.tokenizer import byte_tokenizer, train_bpe


@pytest.fixture(scope="module")
def words():
    """A vocabulary in which `abc` is one token, and so are ` the` and `def`."""
    return train_bpe(["abc abc def the the the"] * 20, vocab_size=290)


def text(tokenizer, ids) -> str:
    return tokenizer.decode([token for token in ids if token != tokenizer.end_of_document])


@pytest.mark.parametrize("join", [aligned, harness])
def test_the_ids_are_those_of_the_whole_text(words, join):
    joined = join("abc", [" def", " the"], tokenizer=words, begin=())
    for request, answer in zip(joined.requests, ("abc def", "abc the"), strict=True):
        assert [*request.context, *request.continuation] == words.encode(answer)
        assert text(words, request.context) == "abc"
    assert joined.spanning == 0


@pytest.mark.parametrize("join", [aligned, harness])
def test_blanks_at_the_end_of_the_context_belong_to_the_answer(words, join):
    moved = join("abc ", ["the"], tokenizer=words, begin=())
    assert moved == join("abc", [" the"], tokenizer=words, begin=())


@pytest.mark.parametrize("join", [aligned, harness])
def test_an_empty_context_is_the_end_of_a_document_and_nothing_else(words, join):
    (request,) = join("", [" the"], tokenizer=words, begin=()).requests
    assert request.context == (words.end_of_document,)
    assert join("", [" the"], tokenizer=words, begin=(words.end_of_document,)).requests == (request,)


@pytest.mark.parametrize("join", [aligned, harness])
def test_other_contexts_begin_with_it_only_where_asked(words, join):
    (plain,) = join("abc", [" the"], tokenizer=words, begin=()).requests
    (begun,) = join("abc", [" the"], tokenizer=words, begin=(words.end_of_document,)).requests
    assert words.end_of_document not in plain.context
    assert begun.context == (words.end_of_document, *plain.context)


def test_where_a_token_spans_the_join_aligned_scores_equal_texts(words):
    joined = aligned("the ab", ["c", "x"], tokenizer=words, begin=())
    contexts = {request.context for request in joined.requests}
    assert len(contexts) == 1
    assert joined.spanning == 1
    for request, answer in zip(joined.requests, ("the abc", "the abx"), strict=True):
        assert [*request.context, *request.continuation] == words.encode(answer)


def test_where_a_token_spans_the_join_harness_scores_what_is_left_over(words):
    joined = harness("the ab", ["c"], tokenizer=words, begin=())
    assert joined.spanning == 1
    assert len(joined.requests[0].context) == len(words.encode("the ab"))
    assert text(words, joined.requests[0].continuation) != "c"


def test_bytes_never_span_a_join():
    tokenizer = byte_tokenizer([])
    assert aligned("é", ["é", " x"], tokenizer=tokenizer, begin=()).spanning == 0
