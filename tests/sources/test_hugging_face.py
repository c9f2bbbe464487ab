"""A folder is read like a dataset on the hub; a hub dataset is read at a named commit only."""

import json
import os
import re
import socket
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from lm.config.outline import config_directory
from lm.corpus import Document
from lm.sources import HuggingFaceSource

datasets = pytest.importorskip("datasets", reason="datasets is not installed: pip install 'lightning-lm[hub]'")

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ROWS = [{"text": "eins", "key": 1}, {"text": " ", "key": 2}, {"text": None, "key": 3}, {"text": "zwei", "key": 4}]


@pytest.fixture(autouse=True)
def unplugged(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise ConnectionError("no connection")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)


def plant(folder: Path, **splits: list[dict]) -> str:
    folder.mkdir(exist_ok=True, parents=True)
    for split, rows in splits.items():
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(folder)


def test_a_split_of_a_folder_is_read_without_a_connection(tmp_path):
    path = plant(tmp_path, train=ROWS, validation=[{"text": "drei", "key": 5}])
    source = HuggingFaceSource(path, id_field="key", kind="mine")
    assert list(source) == [Document("eins", "1", "mine", source=path), Document("zwei", "4", "mine", source=path)]
    assert source.notes == ("2 documents without text were skipped",)
    assert [(d.id, d.text) for d in HuggingFaceSource(path, split="validation")] == [(f"{path}:1", "drei")]


def test_language_and_metadata_are_taken_by_name(tmp_path):
    path = plant(
        tmp_path, train=[{"text": "eins", "said": "de", "url": "u"}, {"text": "zwei", "said": None, "url": "v"}]
    )
    documents = list(HuggingFaceSource(path, language_field="said", metadata_fields=["url"]))
    assert [(d.language, d.metadata) for d in documents] == [("de", {"url": "u"}), ("", {"url": "v"})]


def test_what_the_library_passes_over_or_reads_twice_is_noted_or_refused(tmp_path):
    path = plant(tmp_path / "a", train=ROWS)
    plant(tmp_path / "b", train=ROWS)
    (tmp_path / "a" / "loop").symlink_to(".")
    (tmp_path / "a" / "train-1.jsonl").symlink_to("train.jsonl")
    source = HuggingFaceSource(path)
    assert [d.text for d in source] == ["eins", "zwei"] * 2
    assert source.notes == (
        "4 documents without text were skipped",
        "1 file was read under a second name (a link) too, so their documents occur twice, the first: "
        f"{path}/train-1.jsonl",
        f"1 linked folder was not read, the first: {path}/loop",
    )
    (tmp_path / "a" / "gone.jsonl").symlink_to("missing")
    with pytest.raises(ValueError, match=r"corpus\.path .*gone\.jsonl cannot be read \(No such file"):
        list(HuggingFaceSource(path))


def test_a_folder_that_cannot_be_read_is_refused_by_name(tmp_path, monkeypatch):
    path, scan = plant(tmp_path, train=ROWS), os.scandir
    (tmp_path / "closed").mkdir()

    def closed(folder):
        if str(folder).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(folder))
        return scan(folder)

    monkeypatch.setattr(os, "scandir", closed)
    for use in (list, HuggingFaceSource.fingerprint):
        with pytest.raises(ValueError, match=r"corpus\.path .*closed cannot be read \(Permission denied\): get access"):
            use(HuggingFaceSource(path))


def test_fields_may_be_nested_and_ids_missing(tmp_path):
    rows = [{"meta": {"text": "eins", "id": None}}, {"meta": {"text": "zwei", "id": 7}}, {"meta": None}]
    path = plant(tmp_path, train=rows)
    source = HuggingFaceSource(path, text_field="meta.text", id_field="meta.id")
    assert [(d.text, d.id) for d in source] == [("eins", f"{path}:1"), ("zwei", "7")]
    assert source.notes == ("1 document without text was skipped",)


def test_parquet_and_subfolders_are_read_too(tmp_path):
    pyarrow = pytest.importorskip("pyarrow.parquet")
    import pyarrow as arrow

    (tmp_path / "rust").mkdir()
    pyarrow.write_table(arrow.table({"content": ["fn main() {}"]}), tmp_path / "rust" / "train-00000.parquet")
    plant(tmp_path / "python", train=[{"content": "pass"}])
    source = HuggingFaceSource(str(tmp_path), folder="rust", text_field="content")
    assert [d.text for d in source] == ["fn main() {}"]


def test_at_most_limit_documents_are_read(tmp_path):
    path = plant(tmp_path, train=[ROWS[0], ROWS[1], ROWS[3], ROWS[0]])
    assert [d.text for d in HuggingFaceSource(path, limit=2)] == ["eins", "zwei"]


def test_a_value_that_is_not_text_is_refused_by_its_row(tmp_path):
    with pytest.raises(ValueError, match=r":1: field 'key' is int, not text"):
        list(HuggingFaceSource(plant(tmp_path, train=ROWS), text_field="key"))


def test_the_fingerprint_of_a_folder_is_of_its_content_and_not_its_path(tmp_path):
    one, two = plant(tmp_path / "one", train=ROWS), plant(tmp_path / "two", train=ROWS)
    assert HuggingFaceSource(one).fingerprint() == HuggingFaceSource(two, revision=COMMIT).fingerprint()
    assert HuggingFaceSource(one).fingerprint() != HuggingFaceSource(one, limit=1).fingerprint()
    plant(tmp_path / "two", train=ROWS[:1])
    assert HuggingFaceSource(one).fingerprint() != HuggingFaceSource(two).fingerprint()


def test_the_fingerprint_of_a_hub_id_is_of_its_commit_and_needs_no_connection():
    one = HuggingFaceSource("some/data", revision=COMMIT).fingerprint()
    assert one == HuggingFaceSource("some/data", revision=COMMIT).fingerprint()
    assert one != HuggingFaceSource("some/data", revision=COMMIT[::-1]).fingerprint()
    assert one != HuggingFaceSource("some/data", revision=COMMIT, name="en").fingerprint()


@pytest.mark.parametrize("revision", [None, "main", "v1.0", COMMIT[:12]])
def test_a_hub_id_without_a_full_commit_is_refused_with_the_page_that_lists_commits(revision):
    with pytest.raises(
        ValueError,
        match=rf"corpus\.revision {revision} is not a commit of 40 digits.*datasets/some/data/commits",
    ):
        HuggingFaceSource("some/data", revision=revision)


def test_bad_inputs_are_refused_by_name(tmp_path):
    path = plant(tmp_path, train=ROWS)
    with pytest.raises(ValueError, match=r"corpus\.path /none is neither a local folder .*nor an id"):
        HuggingFaceSource("/none", revision=COMMIT)
    with pytest.raises(ValueError, match=r"corpus\.limit 0 is below 1"):
        HuggingFaceSource(path, limit=0)
    with pytest.raises(ValueError, match=r"no field 'txt' \(corpus\.text_field\): did you mean 'text'"):
        list(HuggingFaceSource(path, text_field="txt"))
    with pytest.raises(ValueError, match=r"\(split tain\) cannot be read: Bad split: tain.*train"):
        list(HuggingFaceSource(path, split="tain"))
    with pytest.raises(ValueError, match=r"\(name en, split train\) cannot be read: .*'en' not found"):
        list(HuggingFaceSource(path, name="en"))


def test_an_unreachable_hub_is_reported_in_one_line():
    with pytest.raises(ValueError, match=r"corpus\.path some/data \(split train\) cannot be read: .*reaches the hub"):
        list(HuggingFaceSource("some/data", revision=COMMIT))


@pytest.mark.parametrize(
    "file", [f for f in sorted((config_directory() / "corpus").glob("*.yaml")) if "[hugging_face" in f.read_text()]
)
def test_every_dataset_in_conf_names_a_commit_and_its_licence(file):
    found = OmegaConf.load(file)
    HuggingFaceSource(found.path, revision=found.revision)
    first = file.read_text().splitlines()[0]
    assert re.search(r"ODC-By|CC|CDLA|MIT|licence|permissive", first), first
    assert re.search(r"\d [GT]B", first), first
