"""Every row is a document, or is reported as unreadable."""

import bz2
import csv
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from datetime import date
from pathlib import Path

import pytest
import pyzstd

from lm.conversation.sources.records import read_records
from lm.corpus import Document
from lm.sources import TableSource

DATA = Path(__file__).parents[3] / "shared" / "data"
ROWS = [
    {"text": 'He said: "so, what?"\nand left', "title": "One", "key": "a", "type": "web"},
    {"text": "zwei\tü; 3,5", "title": "", "key": "b", "type": "book"},
    {"text": "", "title": "", "key": "c", "type": "web"},
]


def write_csv(path: Path, rows: list[dict], delimiter: str = ",") -> str:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, rows[0].keys(), delimiter=delimiter)
        table.writeheader()
        table.writerows(rows)
    return str(path)


def write_parquet(path: Path, columns: dict, row_group_size: int | None = None) -> str:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'lightning-lm[parquet]'")
    from pyarrow.parquet import write_table

    write_table(pyarrow.table(columns), path, row_group_size=row_group_size)
    return str(path)


def columns_of(rows: list[dict]) -> dict:
    return {field: [row[field] or None for row in rows] for field in rows[0]}


@pytest.fixture(params=["csv", "tsv", "csv.gz", "tsv.zst", "parquet"])
def table(request, tmp_path: Path) -> str:
    path = tmp_path / f"a.{request.param}"
    if request.param == "parquet":
        return write_parquet(path, columns_of(ROWS), row_group_size=2)
    write_csv(path, ROWS, "\t" if "tsv" in request.param else ",")
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(path.read_bytes()))
    if path.suffix == ".zst":
        path.write_bytes(pyzstd.compress(path.read_bytes()))
    return str(path)


def test_fields_are_taken_by_name_in_every_format(table):
    source = TableSource(table, id_field="key", kind_field="type")
    assert list(source) == [
        Document(ROWS[0]["text"], "a", "web", source=table),
        Document(ROWS[1]["text"], "b", "book", source=table),
    ]
    assert source.notes == ("1 document without text was skipped",)


def test_fields_nested_in_parquet_are_read_by_their_path(tmp_path):
    columns = {"meta": [{"text": "a", "id": 1}, None, {"text": None, "id": 3}], "n": [1.0, float("nan"), None]}
    path = write_parquet(tmp_path / "a.parquet", columns)
    source = TableSource(path, text_field="meta.text", id_field="meta.id", metadata_fields=["n"])
    assert [(d.text, d.id, d.metadata) for d in source] == [("a", "1", {"n": 1.0})]
    assert source.notes == ("2 documents without text were skipped",)
    with pytest.raises(ValueError, match=r"no field 'met\.text' \(corpus\.text_field\): it has 'meta', 'n'"):
        list(TableSource(path, text_field="met.text"))


@pytest.mark.parametrize("ids", [[None, None], [float("nan")] * 2, ["", ""]])
def test_a_row_without_id_is_named_by_file_and_row(tmp_path, ids):
    path = write_parquet(tmp_path / "a.parquet", {"text": ["a", "b"], "id": ids})
    assert [d.id for d in TableSource(path, id_field="id")] == ["a.parquet:1", "a.parquet:2"]


def test_several_fields_are_joined_without_the_empty_ones(table):
    name = Path(table).name
    documents = list(TableSource(table, text_field=["title", "text"], separator=r"\n--\n", kind="mine"))
    assert [d.text for d in documents] == ["One\n--\n" + ROWS[0]["text"], ROWS[1]["text"]]
    assert [(d.id, d.kind) for d in documents] == [(f"{name}:1", "mine"), (f"{name}:2", "mine")]


def test_byte_order_mark_crlf_and_large_fields_are_read(tmp_path):
    large = "x" * 300_000
    (tmp_path / "a.csv").write_bytes(f'\ufefftext,b\r\n"a ""quoted""\r\nline",1\r\n\r\n{large},2\r\n'.encode())
    assert [d.text for d in TableSource(str(tmp_path / "a.csv"))] == ['a "quoted"\r\nline', large]


def test_a_table_without_header_takes_its_columns_from_the_config(tmp_path):
    (tmp_path / "a.tsv").write_text('"one" is\t1\ntwo\t2\n')
    source = TableSource(str(tmp_path / "a.tsv"), columns=["text", "number"], quoted=False)
    assert [d.text for d in source] == ['"one" is', "two"]


def test_a_delimiter_is_one_character(tmp_path):
    path = write_csv(tmp_path / "a.csv", ROWS, ";")
    assert [d.text for d in TableSource(path, delimiter=";")] == [row["text"] for row in ROWS[:2]]
    with pytest.raises(ValueError, match=r"corpus.delimiter ';;' is not one character"):
        TableSource(path, delimiter=";;")


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_a_csv_from_excel_is_read_whatever_its_delimiter_and_encoding(tmp_path, delimiter, encoding):
    path = Path(write_csv(tmp_path / "a.csv", ROWS, delimiter))
    path.write_bytes(path.read_text("utf-8").encode(encoding))
    source = TableSource(str(path), encoding="cp1252" if encoding == "cp1252" else "utf-8")
    assert [d.text for d in source] == [row["text"] for row in ROWS[:2]]
    assert f"1 file was read with {delimiter!r} between fields" in source.notes


def test_a_table_with_old_mac_line_ends_is_read(tmp_path):
    (tmp_path / "a.csv").write_bytes(b'text,b\rone,1\r"two\rlines",2\r')
    source = TableSource(str(tmp_path / "a.csv"))
    assert [d.text for d in source] == ["one", "two\nlines"]
    assert source.notes == ("1 file had CR line ends, which became LF",)


def test_the_encoding_of_tables_is_part_of_the_fingerprint(tmp_path):
    path = write_csv(tmp_path / "a.csv", ROWS)
    assert TableSource(path).fingerprint() == TableSource(path, encoding="UTF8").fingerprint()
    assert TableSource(path).fingerprint() != TableSource(path, encoding="latin-1").fingerprint()


def test_tables_in_an_archive_are_read_and_other_files_counted(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x/a.csv", "text\nin a zip\n")
        archive.writestr("README", "text\n")
    source = TableSource(str(tmp_path / "a.zip"))
    assert [(d.id, d.text) for d in source] == [("a.zip/x/a.csv:1", "in a zip")]
    assert source.notes == (
        "1 archive member without the extension .csv, .tsv or .parquet was skipped, "
        f"the first: {tmp_path}/a.zip/README",
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"text,b\nfine,1\ncut\n", r"a\.csv row 2 \(line 3\) has 1 fields, and the header 2 \(close its quotes"),
        (b"text,b\nfine,1\ntoo,many,cells\n", r"row 2 \(line 3\) has 3 fields, and the header 2"),
        (b'text,b\n"two\nlines",1\n"open,2\n', r"row 2 \(line 4\) cannot be read: .*corpus\.quoted=false"),
        (b'text,b\n"a"b,2\n', r"row 1 \(line 2\) cannot be read"),
        (
            b"text,b\nfine,1\ngr\xfcn,2\n",
            r"a\.csv row 2 \(line 3\) is not valid UTF-8 \(byte fc\): .*corpus\.encoding=windows-1252",
        ),
        (b"txt,b\nfine,1\n", r"a\.csv has no field 'text' \(corpus\.text_field\): did you mean 'txt'\?"),
        (b"x,y\nfine,1\n", r"a\.csv has no field 'text' \(corpus\.text_field\): it has 'x', 'y'"),
        (b"text,text\nfine,1\n", r"a\.csv has 2 fields 'text'"),
    ],
)
def test_a_bad_row_is_refused_by_file_row_and_line(tmp_path, content, message):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        list(TableSource(str(tmp_path / "a.csv"), bad_lines=0))


def test_rows_of_the_wrong_length_are_skipped_and_noted_up_to_bad_lines(tmp_path):
    (tmp_path / "a.csv").write_text('text,b\none,1\ncut\n"two\nlines",2\n"too\nmany",1,2\nthree,3\n')
    (tmp_path / "b.csv").write_text("text,b\nfour,4\n,,\n")
    source = TableSource(str(tmp_path / "*.csv"), bad_lines=3)
    assert [(d.id, d.text) for d in source] == [
        ("a.csv:1", "one"),
        ("a.csv:3", "two\nlines"),
        ("a.csv:5", "three"),
        ("b.csv:1", "four"),
    ]
    (note,) = source.notes
    assert note.startswith("3 lines could not be read and were skipped, the first: ")
    assert "a.csv row 2 (line 3) has 1 fields, and the header 2" in note
    with pytest.raises(ValueError, match=r"b\.csv row 2 \(line 3\) .*\(skipped before it: 2\): .*corpus\.bad_lines="):
        list(TableSource(str(tmp_path / "*.csv"), bad_lines=2))
    with pytest.raises(ValueError, match=r"a\.csv row 4 \(line 7\) has 3 fields"):
        list(TableSource(str(tmp_path / "*.csv"), bad_lines=1))


def test_a_table_without_a_good_row_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("text\none,1\ntwo,2\n")
    with pytest.raises(ValueError, match=r"no row of .*a\.csv can be read: check its header"):
        list(TableSource(str(tmp_path / "a.csv")))


def test_an_unclosed_quote_is_an_error_rather_than_a_bad_row(tmp_path):
    (tmp_path / "a.csv").write_text('text,b\none,1\n"open,2\nthree,3\n')
    with pytest.raises(ValueError, match=r"row 2 .* cannot be read"):
        list(TableSource(str(tmp_path / "a.csv")))


def test_language_and_metadata_are_taken_by_name_as_plain_data(tmp_path, table):
    documents = list(TableSource(table, language_field="type", metadata_fields=["key", "title"]))
    assert [d.language for d in documents] == ["web", "book"]
    assert [d.metadata.get("title") or None for d in documents] == ["One", None]
    assert [d.metadata["key"] for d in documents] == ["a", "b"]
    path = write_parquet(tmp_path / "d.parquet", {"text": ["a"], "day": [date(2020, 1, 2)], "raw": [b"x\xff"]})
    (document,) = TableSource(path, metadata_fields=["day", "raw"])
    assert json.loads(json.dumps(document.metadata)) == {"day": "2020-01-02", "raw": "x\ufffd"}
    with pytest.raises(ValueError, match=r"no field 'tit' \(corpus\.metadata_fields\)"):
        list(TableSource(table, metadata_fields=["tit"]))


def test_fields_for_ids_and_kinds_must_exist_too(table):
    with pytest.raises(ValueError, match=r"no field 'kez' \(corpus\.id_field\): did you mean 'key'"):
        list(TableSource(table, id_field="kez"))
    with pytest.raises(ValueError, match=r"no field 'typ' \(corpus\.kind_field\): did you mean 'type'"):
        list(TableSource(table, kind_field="typ"))


def test_files_that_are_not_tables_are_refused_at_once(tmp_path):
    (tmp_path / "a.txt").write_text("text\n")
    with pytest.raises(ValueError, match=r"corpus\.path .*a\.txt is not a \.csv, \.tsv"):
        TableSource(str(tmp_path / "a.txt"))
    with pytest.raises(ValueError, match=r"corpus\.text_field is empty"):
        TableSource(str(tmp_path / "a.txt"), text_field=[])


def test_a_parquet_value_that_is_not_text_is_refused_by_file_and_row(tmp_path):
    path = write_parquet(tmp_path / "a.parquet", {"text": [1, 2]})
    with pytest.raises(ValueError, match=r"a\.parquet:1: field 'text' is int, not text"):
        list(TableSource(path))
    path = write_parquet(tmp_path / "b.parquet", {"text": [b"fine", b"gr\xfcn"]})
    with pytest.raises(ValueError, match=r"b\.parquet:2: field 'text' is not valid UTF-8"):
        list(TableSource(path))


def test_a_parquet_string_that_is_not_utf8_is_refused_by_its_row(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'lightning-lm[parquet]'")
    texts = pyarrow.array([b"fine", b"gr\xfcn"])
    texts = pyarrow.StringArray.from_buffers(2, *texts.buffers()[1:])
    path = write_parquet(tmp_path / "a.parquet", {"text": texts})
    with pytest.raises(ValueError, match=r"a\.parquet:2: field 'text' is not valid UTF-8"):
        list(TableSource(path))


def test_a_damaged_parquet_file_is_refused_by_name(tmp_path):
    path = Path(write_parquet(tmp_path / "a.parquet", {"text": ["a" * 1000]}))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"a\.parquet is damaged .*download it again"):
        list(TableSource(str(path)))


def packings(content: bytes, name: str) -> dict[str, bytes]:
    """Files that hold a file, packed in every way."""
    zipped, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr(f"deep/{name}", content)
        archive.writestr(f"__MACOSX/deep/._{name}", b"\0\x05\x16\x07\0\x02\0\0Mac OS X        " + bytes(60))
    with tarfile.open(fileobj=tarred, mode="w") as archive:
        member = tarfile.TarInfo(f"deep/{name}.xz")
        member.size = len(lzma.compress(content))
        archive.addfile(member, io.BytesIO(lzma.compress(content)))
    return {
        f"{name}.gz": gzip.compress(gzip.compress(content)),
        "a.zip": zipped.getvalue(),
        "a.tar.bz2": bz2.compress(tarred.getvalue()),
    }


def test_parquet_is_read_by_its_content_however_it_is_packed_or_named(tmp_path):
    inner = Path(write_parquet(tmp_path / "b.parquet", {"text": ["a", "é"]})).read_bytes()
    for name, content in {**packings(inner, "b.parquet"), "c.csv": inner}.items():
        (tmp_path / name).write_bytes(content)
        source = TableSource(str(tmp_path / name))
        assert [document.text for document in source] == ["a", "é"], name
        assert [each.rpartition(":")[2] for each in (d.id for d in source)] == ["1", "2"]
        records = read_records(tmp_path / name)
        assert [record["text"] for _, record in records] == ["a", "é"], name
    zipped = TableSource(str(tmp_path / "a.zip"))
    list(zipped)
    assert zipped.notes[0].startswith("1 file with macOS metadata was skipped")


def test_what_is_not_parquet_is_refused_with_what_to_do(tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'lightning-lm[parquet]'")
    (tmp_path / "a.parquet").write_text("text\na\n")
    with pytest.raises(ValueError, match=r"a\.parquet is not Parquet \(it begins with b'text'\): .*such as \.csv"):
        list(TableSource(str(tmp_path / "a.parquet")))
    (tmp_path / "b.csv").write_text("PAR1,text\n1,a\n")
    assert [document.text for document in TableSource(str(tmp_path / "b.csv"))] == ["a"]


def test_a_large_row_group_of_parquet_is_read_in_little_memory(tmp_path):
    texts = [f"{number} " + "word " * 2000 for number in range(4000)]  # 40 MB
    path = write_parquet(tmp_path / "a.parquet", {"text": texts, "other": texts})
    import pyarrow

    before, most = pyarrow.total_allocated_bytes(), 0
    for number, document in enumerate(TableSource(path)):
        assert document.text == texts[number]
        most = max(most, pyarrow.total_allocated_bytes() - before)
    assert number == 3999
    assert most < 25_000_000, most


def test_the_fingerprint_is_of_content_and_options(tmp_path):
    path = write_csv(tmp_path / "a.csv", ROWS)
    assert TableSource(path).fingerprint() == TableSource(path).fingerprint()
    assert TableSource(path).fingerprint() != TableSource(path, text_field=["title", "text"]).fingerprint()


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the sample data at {DATA} is not here")
def test_real_tables_are_read():
    columns = ["question", "answer", "rationale"]
    path = str(DATA / "flan_cot" / "*.tsv*")
    source = TableSource(path, columns=columns, text_field=["question", "rationale"], quoted=False)
    assert sum(1 for _ in source) > 30_000
