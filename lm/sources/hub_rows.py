"""Rows of a dataset of the Hugging Face hub, or of a folder that looks like one, without a copy of it.

The `datasets` package streams: each reading goes through the dataset anew, from the hub over the network. Nothing else
of lm opens a connection to it, and this only for a hub id.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lm.files import hash_file

HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
COMMIT = re.compile(r"[0-9a-f]{40}")
END = object()


class HubRows:
    """The rows of a split of `path`, a folder here or an id of the hub.

    `name` is a subset, `folder` a folder within the dataset. A hub id needs a `revision`, and that a whole commit: a
    branch or tag may move, and then one name would mean other data tomorrow, or on another machine. It also makes the
    data known without asking the hub. A folder is known by its content, and needs none. In messages the config has
    the path at `path_key` and the rest below `key`.
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
        import datasets  # noqa: F401  # said now rather than at the first reading

        self.local = Path(path).expanduser() if Path(path).expanduser().is_dir() else None
        if self.local is None and not HUB_ID.fullmatch(path):
            raise ValueError(
                f"{path_key} {path} is neither a folder here (looked from {Path.cwd()}) nor an id of the "
                "Hugging Face hub, as roneneldan/TinyStories"
            )
        if self.local is None and not COMMIT.fullmatch(revision or ""):
            raise ValueError(
                f"{key}.revision {revision} of {path}, which is no folder here and so is on the Hugging Face hub, is "
                "no commit of 40 digits, without which the name could mean other data tomorrow: take the newest from "
                f"https://huggingface.co/datasets/{path}/commits"
            )
        self.path, self.name, self.folder, self.split, self.revision = path, name, folder, split, revision
        self.path_key = path_key

    def identity(self) -> list:
        """What says which data these are: the content of a folder, the commit of a dataset of the hub."""
        if self.local is None:
            return [self.path, self.revision]
        names = sorted(file.relative_to(self.local).as_posix() for file in self.local.rglob("*") if file.is_file())
        seen = [name for name in names if not re.search(r"(?:^|/)\.", name)]  # hidden files are no data
        return [[name, hash_file(self.local / name)] for name in seen]

    def __iter__(self) -> Iterator[dict]:
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
            raise ValueError(f"{self.path_key} {self.path} ({which}) cannot be read: {said}: {remedy}") from error
