"""Datasets of the Hugging Face hub, or folders that look like one, streamed without a copy.

The `datasets` package streams: each reading goes through the whole dataset, for a hub id over the network. Keep a
corpus that is read more than once with corpus=funnel. Nothing else in lm opens a connection to the hub, and this
module does so only for a hub id. For local JSON Lines or Parquet files, corpus=jsonl and corpus=table are faster.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lm.corpus import Document, Source
from lm.corpus.tally import Tally
from lm.files import hash_file, hash_json
from lm.sources.fields import Fields, field_of, is_missing
from lm.sources.file_source import WITHOUT_TEXT
from lm.sources.folder_files import folder_files

HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
COMMIT = re.compile(r"[0-9a-f]{40}")
END = object()


class HubRows:
    """The rows of one split of a dataset.

    A hub id needs a `revision`, and that must be a full commit: a branch or tag may move, and the same name would then
    mean other data tomorrow or on another machine. The commit also identifies the data without a request to the hub.
    A folder is identified by its content and needs no revision.

    After a reading, `tally` counts the files of a folder that were passed over or occurred twice.

    Args:
        path: A local folder, or an id on the hub.
        name: Subset of the dataset; None: its default.
        folder: Folder within the dataset; None: the whole dataset.
        split: Split to read.
        revision: Commit of a hub dataset, 40 hexadecimal digits.
        path_key: Config key of `path`, for messages.
        key: Config key of the node that holds the other options, for messages.
    """

    def __init__(
        self,
        path: str,
        *,
        name: str | None,
        folder: str | None,
        split: str,
        revision: str | None,
        path_key: str,
        key: str,
    ):
        import datasets  # noqa: F401  # fail now rather than at the first reading

        self.local = Path(path).expanduser() if Path(path).expanduser().is_dir() else None
        if self.local is None and not HUB_ID.fullmatch(path):
            raise ValueError(
                f"{path_key} {path} is neither a local folder (working directory {Path.cwd()}) nor an id on the "
                "Hugging Face hub, such as roneneldan/TinyStories"
            )
        if self.local is None and not COMMIT.fullmatch(revision or ""):
            raise ValueError(
                f"{key}.revision {revision} is not a commit of 40 digits, and {path} is not a local folder but on the "
                "Hugging Face hub, where a branch could mean other data tomorrow: take the newest commit from "
                f"https://huggingface.co/datasets/{path}/commits"
            )
        self.path, self.name, self.folder, self.split, self.revision = path, name, folder, split, revision
        self.path_key = path_key
        self.tally = Tally()  # of the last reading

    def identity(self) -> list:
        """What identifies the data, for fingerprints: a folder's content, or a hub dataset's id and commit."""
        if self.local is None:
            return [self.path, self.revision]
        files = folder_files(self.local, key=self.path_key, tally=Tally())
        return [[file.relative_to(self.local).as_posix(), hash_file(file)] for file in files]

    def __iter__(self) -> Iterator[dict]:
        import datasets

        self.tally = Tally()
        if self.local is not None:
            folder_files(self.local, key=self.path_key, tally=self.tally)
        with self._errors_with_remedy():
            rows = iter(
                datasets.load_dataset(
                    self.path if self.local is None else str(self.local),
                    self.name,
                    data_dir=self.folder,
                    split=self.split,
                    revision=self.revision if self.local is None else None,
                    streaming=True,
                )
            )
        while True:
            with self._errors_with_remedy():
                row = next(rows, END)
            if row is END:
                return
            yield row

    @contextmanager
    def _errors_with_remedy(self) -> Iterator[None]:
        """Turn the package's error about a missing, gated or broken dataset into one line with a remedy."""
        try:
            yield
        except ImportError:  # of a package that this dataset needs; the error names its own remedy
            raise
        except Exception as error:
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
            options = ", ".join(
                f"{key} {value}"
                for key, value in (("name", self.name), ("folder", self.folder), ("split", self.split))
                if value is not None
            )
            remedy = (
                "check that these exist"
                if self.local
                else f"check on https://huggingface.co/datasets/{self.path} that these exist and whether its terms "
                "must be accepted (then `hf auth login`), and check that this machine reaches the hub"
            )
            raise ValueError(f"{self.path_key} {self.path} ({options}) cannot be read: {reason}: {remedy}") from error


class HuggingFaceSource(Source):
    """A dataset of the Hugging Face hub, or a local folder of JSON Lines or Parquet: one document per row.

    Args:
        path: Id on the hub, such as roneneldan/TinyStories, or a local folder.
        name: Subset of the dataset, such as 20231101.en; null: its default.
        folder: Folder within the dataset, such as python; null: the whole dataset.
        split: Split to read; the split into training and validation is made by lm itself.
        revision: Commit of 40 digits, required for a hub id because a branch may move; null for a folder.
        text_field: Field with the document's text.
        id_field: Field with its id; null: path and row number.
        language_field: Field with its language code, such as en; null: unknown.
        metadata_fields: Fields to keep with the document for filters and reports, such as [url,score]; null: none.
        kind: Kind of the documents; bits per byte are reported per kind.
        limit: Maximum number of documents; null: all.
    """

    def __init__(
        self,
        path: str,
        *,
        name: str | None = None,
        folder: str | None = None,
        split: str = "train",
        revision: str | None = None,
        text_field: str = "text",
        id_field: str | None = None,
        language_field: str | None = None,
        metadata_fields: list[str] | None = None,
        kind: str = "prose",
        limit: int | None = None,
    ):
        if limit is not None and limit < 1:
            raise ValueError(f"corpus.limit {limit} is below 1: give a number of documents, or null for all")
        self.rows = HubRows(
            path, name=name, folder=folder, split=split, revision=revision, path_key="corpus.path", key="corpus"
        )
        self.path, self.text_field, self.kind, self.limit = path, text_field, kind, limit
        self.fields = Fields(id_field, None, language_field, tuple(metadata_fields or ()))

    def fingerprint(self) -> str:
        options = [self.rows.name, self.rows.folder, self.rows.split, self.text_field]
        options += [self.fields.id, self.kind, self.limit, *self.fields.identity()]
        return hash_json(["hugging_face", options, self.rows.identity()])

    def __iter__(self) -> Iterator[Document]:
        yielded, tally = 0, Tally()
        for number, row in enumerate(self.rows, start=1):
            where = f"{self.path}:{number}"
            text = field_of(row, self.text_field, "corpus.text_field", where)
            if is_missing(text):
                text = ""
            if not isinstance(text, str):
                raise ValueError(f"{where}: field {self.text_field!r} is {type(text).__name__}, not text")
            if not text.strip():
                tally.count(WITHOUT_TEXT)
                continue
            yield self.fields.document(row, text, name=where, kind=self.kind, source=self.path, where=where)
            yielded += 1
            if yielded == self.limit:
                break
        tally.merge(self.rows.tally)
        self.record_tally(tally)
