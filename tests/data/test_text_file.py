"""A text file becomes rows: its last tenth is held out, and every character is predicted once."""

import numpy as np
import pytest

from lm.data.text_file import TextFileData
from lm.tokenizer import byte_tokenizer

TEXT = "".join(f"{number} men\nwent to mow, \n" for number in range(40))
TOKENIZER = byte_tokenizer([])


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "input.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def opened(path, context=16, **options):
    return TextFileData(str(path), **options).open(tokenizer=TOKENIZER, context=context)


def predicted(source) -> str:
    rows = [source.row(index) for index in range(len(source))]
    return TOKENIZER.decode(np.concatenate([row.targets[row.supervised] for row in rows]).tolist())


def test_the_first_nine_tenths_are_trained_on_and_the_rest_is_validated_whole(file):
    rows, trained = opened(file), int(0.9 * len(TEXT))
    assert predicted(rows.sources["text"]) == TEXT[:trained]
    assert predicted(rows.validation) == TEXT[trained:]
    assert rows.validation.row(0).bytes.sum() == 16
    assert rows.notes == [f"{file}: {len(TEXT)} characters, {len(TEXT) - trained} of them held out"]


def test_each_row_reads_on_from_the_one_before_it(file):
    source = opened(file).sources["text"]
    first, second = source.row(0), source.row(1)
    assert first.tokens[0] == TOKENIZER.beginning
    assert second.tokens[0] == first.targets[-1]
    assert first.documents is None  # one text: no mask


def test_samples_begin_with_held_out_lines(file):
    assert opened(file).prompts[0] in TEXT[int(0.9 * len(TEXT)) :]


def test_a_share_of_0_holds_nothing_out(file):
    rows = opened(file, share=0)
    assert rows.validation is None
    assert predicted(rows.sources["text"]) == TEXT


def test_fewer_validation_rows_are_spread_evenly(file):
    assert len(opened(file, validation_rows=2).validation) == 2


def test_characters_of_several_bytes_are_counted_as_tokens_in_a_note(tmp_path):
    path = tmp_path / "umlauts.txt"
    path.write_text("äö" * 50, encoding="utf-8")
    [note] = opened(path).notes
    assert note.endswith("100 characters, 10 of them held out; they are 200 tokens, and losses are per token")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises((ValueError, FileNotFoundError), match=r"absent\.txt"):
        opened(tmp_path / "absent.txt")


def test_several_texts_are_refused(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(name)
    with pytest.raises(ValueError, match=r"data\.path=.* names 2 texts: give one file"):
        opened(tmp_path / "*.txt")


def test_a_text_of_one_character_leaves_none_to_train_on(tmp_path):
    (tmp_path / "one.txt").write_text("a")
    with pytest.raises(ValueError, match=r"data\.share=0\.1 of the 1 characters"):
        opened(tmp_path / "one.txt")


def test_another_text_has_another_fingerprint(file, tmp_path):
    other = tmp_path / "input.txt"
    other.write_text(TEXT + "more", encoding="utf-8")
    assert TextFileData(str(file)).fingerprint() != TextFileData(str(other)).fingerprint()
