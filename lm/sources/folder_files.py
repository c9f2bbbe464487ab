"""The visible files below a folder that a library reads, with what it would pass over in silence."""

import os
from pathlib import Path

from lm.corpus.tally import Tally

AGAIN = "files were read under a second name (a link) too, so their documents occur twice"
LINKED = "linked folders were not read"


def folder_files(folder: Path, *, key: str, tally: Tally) -> list[Path]:
    """Return the files below a folder, without hidden ones, in the order of their names.

    Args:
        folder: The folder; links to folders in it are not followed.
        key: Config key that names it, for messages.
        tally: Counts links to folders, and to files that are there as well.

    Raises:
        ValueError: A folder or file cannot be read, or a link leads nowhere.
    """

    def refuse(error: OSError) -> None:
        raise ValueError(
            f"{key} {folder}: {error.filename} cannot be read ({error.strerror}): get access to it, or remove it"
        ) from None

    found: list[Path] = []
    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in folders:
            if os.path.islink(os.path.join(parent, name)):
                tally.count(LINKED, where=os.path.join(parent, name))
        found += [Path(parent, name) for name in names if not name.startswith(".")]
    found = sorted(found, key=lambda file: file.relative_to(folder).as_posix())
    files = [file for file in found if not file.is_symlink()]
    known = {os.path.realpath(file) for file in files}
    for link in (file for file in found if file.is_symlink()):
        real = os.path.realpath(link)
        if real in known:
            tally.count(AGAIN, where=str(link))
        known.add(real)
    for file in found:
        try:
            file.open("rb").close()
        except OSError as error:
            refuse(error)
    return found
