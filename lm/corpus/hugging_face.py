"""Documents from a dataset of the Hugging Face hub, or from a folder that looks like one, without a copy of it.

The `datasets` package streams: each reading goes through the dataset anew, from the hub over the network. A corpus
that is read more than once is better kept by corpus=funnel. Of the sources only this one ever opens a connection,
and only for a hub id. For files of your own that are JSON Lines or Parquet, corpus=jsonl and corpus=table are faster.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lm.corpus.document import Document, Source
from lm.corpus.fields import Fields, field_of
from lm.corpus.tally import Tally
from lm.files import hash_file, hash_json

HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
COMMIT = re.compile(r"[0-9a-f]{40}")
END = object()


class HuggingFaceSource(Source):
    """One document a row of a split, its text under `text_field`.

    `path` is a folder here or an id of the hub; `name` is a subset, `folder` a folder within the dataset, `limit`
    the most documents to take. A hub id needs a `revision`, and that a whole commit: a branch or tag may move, and
    then one name would mean other data tomorrow, or on another machine. It also makes the fingerprint known
    without asking the hub. A folder is known by its content, and needs none.
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
        import datasets  # noqa: F401  # said now rather than at the first reading

        self.local = Path(path).expanduser() if Path(path).expanduser().is_dir() else None
        if limit is not None and limit < 1:
            raise ValueError(f"corpus.limit {limit} is no number of documents: give one above 0, or null for all")
        if self.local is None and not HUB_ID.fullmatch(path):
            raise ValueError(
                f"corpus.path {path} is neither a folder here (looked from {Path.cwd()}) nor an id of the "
                "Hugging Face hub, as roneneldan/TinyStories"
            )
        if self.local is None and not COMMIT.fullmatch(revision or ""):
            raise ValueError(
                f"corpus.revision {revision} of {path}, which is no folder here and so is on the Hugging Face hub, is "
                "no commit of 40 digits, without which the name could mean other data tomorrow: take the newest from "
                f"https://huggingface.co/datasets/{path}/commits"
            )
        self.path, self.name, self.folder, self.split, self.revision = path, name, folder, split, revision
        self.text_field, self.kind, self.limit = text_field, kind, limit
        self.fields = Fields(id_field, None, language_field, tuple(metadata_fields or ()))

    def fingerprint(self) -> str:
        options = [self.name, self.folder, self.split, self.text_field, self.fields.id, self.kind, self.limit]
        options += self.fields.identity()
        return hash_json(["hugging_face", options, self._identity()])

    def _identity(self) -> list:
        """What says which data these are: the content of a folder, the commit of a dataset of the hub."""
        if self.local is None:
            return [self.path, self.revision]
        names = sorted(file.relative_to(self.local).as_posix() for file in self.local.rglob("*") if file.is_file())
        seen = [name for name in names if not re.search(r"(?:^|/)\.", name)]  # hidden files are no data
        return [[name, hash_file(self.local / name)] for name in seen]

    def __iter__(self) -> Iterator[Document]:
        given, tally = 0, Tally()
        for number, row in enumerate(self._rows(), start=1):
            where = f"{self.path}:{number}"
            text = field_of(row, self.text_field, "corpus.text_field", where)
            if text is not None and not isinstance(text, str):
                raise ValueError(f"{where}: field {self.text_field!r} is {type(text).__name__}, not text")
            if not text or not text.strip():
                tally.count("documents without any text were left out")
                continue
            yield self.fields.document(row, text, name=where, kind=self.kind, source=self.path, where=where)
            given += 1
            if given == self.limit:
                break
        self.tell(tally)

    def _rows(self) -> Iterator[dict]:
        import datasets

        with self._told():
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
            with self._told():
                row = next(rows, END)
            if row is END:
                return
            yield row

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What the package says of a dataset that is not there, closed or broken, in a line with a remedy."""
        try:
            yield
        except ImportError:  # of a package for this one dataset, which has a remedy of its own
            raise
        except Exception as error:
            said = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
            which = ", ".join(
                f"{key} {value}"
                for key, value in (("name", self.name), ("folder", self.folder), ("split", self.split))
                if value is not None
            )
            remedy = (
                "see that these are there"
                if self.local
                else f"see https://huggingface.co/datasets/{self.path} whether these are there and whether its terms "
                "have to be accepted (then `hf auth login`), and whether this machine reaches the hub"
            )
            raise ValueError(f"corpus.path {self.path} ({which}) cannot be read: {said}: {remedy}") from error
