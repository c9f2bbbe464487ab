"""The delimiter of a CSV file is found by its fields, else by rows of one length."""

import pytest

from lm.corpus.tally import Tally
from lm.sources.rows import csv_rows


def rows(content: str, *, fields: tuple[str, ...] = (), **options) -> list:
    lines = content.encode().splitlines(keepends=True)
    defaults = {"where": "a.csv", "delimiter": None, "quoted": True, "columns": None}
    return list(csv_rows(lines, fields=fields, **(defaults | options)))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("usual", [",", "\t"])
@pytest.mark.parametrize("fields", [(), ("question",), ("answer", "question")])
def test_the_delimiter_that_fits_is_found(delimiter, usual, fields):
    content = 'question;answer\n"a, b; c|d\t\ne";yes, it is\nq;""\n'.replace(";", delimiter)
    content = content.replace("yes, it is", "yes" if delimiter == "," else "yes, it is")
    parsed = rows(content, fields=fields, usual=usual)
    assert parsed[0] == ["question", "answer"]
    assert [len(row) for row in parsed] == [2, 2, 2]
    assert not any(isinstance(row, str) for row in parsed)


def test_the_usual_delimiter_stays_where_the_header_has_the_fields():
    assert rows("text,b\nx;y,1\ncut\n", fields=("text",))[:2] == [["text", "b"], ["x;y", "1"]]
    assert rows("text\na; b\n", fields=("text",)) == [["text"], ["a; b"]]
    assert rows("a,b\n1;2,3;4\n5;6,7\n")[0] == ["a", "b"]


def test_commas_in_the_header_do_not_hide_semicolons():
    assert rows("Frage, kurz;Antwort\neins;zwei\ndrei;vier\n")[1:] == [["eins", "zwei"], ["drei", "vier"]]


def test_the_delimiter_of_a_file_without_header_fits_its_columns():
    assert rows("a,b;c\nd;e,f,g\n", columns=["one", "two"])[1:] == [["a,b", "c"], ["d", "e,f,g"]]


@pytest.mark.parametrize("line", ["sep=;", "\ufeffsep=;", '"sep=;"', "sep=;\r"])
def test_the_line_by_which_excel_names_the_delimiter_is_obeyed_and_not_a_row(line):
    parsed = rows(f"{line}\ntext;b\na,1;2\n3;4;5\n", fields=("text",))
    assert parsed[:2] == [["text", "b"], ["a,1", "2"]]
    assert "row 2 (line 4) has 3 fields" in parsed[2]


def test_a_named_delimiter_is_never_replaced():
    assert rows("a;b\nc;d\n", delimiter=",") == [["a;b"], ["c;d"]]


def test_another_delimiter_than_the_usual_is_noted():
    tally = Tally()
    rows("a;b\n1;2\n", tally=tally)
    rows("a,b\n1,2\n", tally=tally)
    assert tally.notes() == ("1 file was read with ';' between fields",)


def test_an_unclosed_quote_is_an_error_under_any_delimiter():
    for content in ('a;b\n"open;1\nx;2\n', 'a,b\n"open,1\nx,2\n'):
        with pytest.raises(ValueError, match=r"a\.csv row 1 .*cannot be read: .*data\.conversations\.quoted=false"):
            rows(content, key="data.conversations")


def test_a_long_quoted_field_at_the_end_of_the_sample_does_not_mislead():
    content = "a;b\n" + "".join(f'"{"x, y " * 40_000}";{number}\n' for number in range(3))
    assert [row[1] for row in rows(content)] == ["b", "0", "1", "2"]


def test_an_empty_file_has_no_rows():
    assert rows("") == []
