"""Tables with quotes inside quoted cells that are not doubled are read as they stand; proper ones as ever."""

import csv
import io
import random

import pytest

from lm.conversation.sources.records import FileRecords, read_records
from lm.corpus.tally import Tally
from lm.sources.loose_quotes import loose_rows

HEADER = ["question", "A", "answer"]


def rows(text: str) -> list[list[str]]:
    return [*loose_rows(text, where="a.csv", delimiter=",", columns=None, tally=Tally())][1:]


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        ('"only "yet to be proven".","x",2', ['only "yet to be proven".', "x", "2"]),
        ('"result "wraps around"; instead of a, b","x",2', ['result "wraps around"; instead of a, b', "x", "2"]),
        ('"the paper "SSL, models", which of, these","x",0', ['the paper "SSL, models", which of, these', "x", "0"]),
        ('""realism."",""no."",1', ['"realism."', '"no."', "1"]),
        ('"the end "quicksand"",0,1', ['the end "quicksand"', "0", "1"]),
        ('"proper, with ""doubled"" ones","x",2', ['proper, with "doubled" ones', "x", "2"]),
        ('plain,"x",2', ["plain", "x", "2"]),
    ],
)
def test_a_cell_ends_where_another_begins(line, cells):
    assert rows(f"question,A,answer\n{line}\n") == [cells]


def test_proper_tables_are_read_as_the_csv_module_does():
    draw = random.Random(0)
    made = [["".join(draw.choices('ab ",;1', k=draw.randint(1, 9))) for _ in HEADER] for _ in range(200)]
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([HEADER, *made])
    assert rows(text.getvalue()) == made


def test_a_row_of_the_wrong_length_is_named():
    with pytest.raises(ValueError, match=r"a\.csv line 3 has 2 fields, and the header 3: double the quotes"):
        rows('question,A,answer\n"x",y,1\n"a "b" c",1\n')


def test_only_tables_that_are_not_proper_are_read_so_and_are_counted(tmp_path):
    file, text = tmp_path / "a.csv", 'question,A,answer\n"a\nb","x",1\n'
    file.write_text(text)
    records = FileRecords(str(file), loose_quotes=True)
    assert [record["question"] for _, record in records] == ["a\nb"]
    assert records.notes == ()
    file.write_text(text.replace("a\nb", 'a "b" c'))
    assert [record["question"] for _, record in records] == ['a "b" c']
    assert "not doubled" in " ".join(records.notes)
    with pytest.raises(ValueError, match="cannot be read"):
        [*read_records(file)]
