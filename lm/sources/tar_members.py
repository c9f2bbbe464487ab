"""Members of a tar archive in one pass, to its true end.

`tarfile` takes a missing or damaged header for the end of the archive, and stops at the first of several archives that
were joined. Here the archive must end with a block of zeros, and what follows it is read too.
"""

import tarfile
from collections.abc import Iterator
from io import BufferedIOBase
from itertools import chain

from lm.files import report_damage
from lm.sources.byte_streams import CHUNK, Readable, buffered, checked, chunks_of

BLOCK = tarfile.BLOCKSIZE
PADDING = 1 << 22  # bytes; archives are padded to records of 10 kB, on tapes of up to a megabyte


class Header(tarfile.TarInfo):
    """The header of a member, which records why there is no further one."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> tarfile.TarInfo:
        try:
            return super().fromtarfile(archive)
        except tarfile.HeaderError as error:
            archive.ending = error
            raise


def tar_members(stream: Readable, place: str, remedy: str) -> Iterator[tuple[str, BufferedIOBase]]:
    """Yield (name, stream) of each file in an archive, links excepted; read each before the next.

    Args:
        stream: The archive, decompressed.
        place: Its name, for messages.
        remedy: What the user can do if it is damaged.

    Raises:
        ValueError: The archive is damaged, or ends without the block that ends it.
    """
    rest: Readable | None = stream
    while rest is not None:
        with report_damage(place, remedy):
            archive = tarfile.open(fileobj=rest, mode="r|", tarinfo=Header)  # noqa: SIM115  # `stream` is not its own
        while True:
            with report_damage(place, remedy):
                member = archive.next()
                if member is None:
                    _check_end(archive)
                    rest = _following(archive)
                    break
                archive.members = []  # of millions, none is needed again
                file = archive.extractfile(member) if member.isfile() else None
            if file is not None:
                yield member.name, buffered(checked(chunks_of(file), place, remedy))


def _check_end(archive: tarfile.TarFile) -> None:
    if isinstance(archive.ending, tarfile.EOFHeaderError):
        return
    cut = isinstance(archive.ending, tarfile.EmptyHeaderError | tarfile.TruncatedHeaderError)
    raise tarfile.ReadError("it has no end-of-archive block, so it is cut off" if cut else str(archive.ending))


def _following(archive: tarfile.TarFile) -> Readable | None:
    """What follows the end of an archive besides zeros. Many zeros are the part of a file that was never written."""
    zeros = 0
    while block := archive.fileobj.read(BLOCK):
        zeros += len(block)
        if zeros > PADDING:
            raise tarfile.ReadError(
                f"more than {PADDING} zero bytes are where a member or the end of the file should be"
            )
        if block.strip(b"\0"):
            return buffered(chain([block], iter(lambda: archive.fileobj.read(CHUNK), b"")))
    return None
