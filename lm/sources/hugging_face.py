"""Documents from a dataset of the Hugging Face hub, or from a folder that looks like one, without a copy of it.

The `datasets` package streams: each reading goes through the dataset anew, from the hub over the network. A corpus
that is read more than once is better kept by corpus=funnel. Of the sources only this one ever opens a connection,
and only for a hub id. For files of your own that are JSON Lines or Parquet, corpus=jsonl and corpus=table are faster.
"""

from collections.abc import Iterator

from lm.corpus import Document, Source
from lm.corpus.tally import Tally
from lm.files import hash_json
from lm.sources.fields import Fields, field_of
from lm.sources.hub_rows import HubRows


class HuggingFaceSource(Source):
    """One document a row of a split, its text under `text_field`.

    `path` is a folder here or an id of the hub; `name` is a subset, `folder` a folder within the dataset, `limit`
    the most documents to take. A hub id needs a `revision`, as `HubRows` says.
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
            raise ValueError(f"corpus.limit {limit} is no number of documents: give one above 0, or null for all")
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
        given, tally = 0, Tally()
        for number, row in enumerate(self.rows, start=1):
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
