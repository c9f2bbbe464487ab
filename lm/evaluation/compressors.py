"""What general-purpose compressors need for a text: the yardstick for a language model's bits per byte."""

import gzip
import lzma


def gzip_bits_per_byte(data: bytes) -> float:
    """As `gzip -9`: matches within 32 KiB, Huffman codes."""
    return 8 * len(gzip.compress(data, compresslevel=9, mtime=0)) / len(data)


def xz_bits_per_byte(data: bytes) -> float:
    """As `xz -9`: matches within 64 MiB, adaptive range coding."""
    return 8 * len(lzma.compress(data, preset=9)) / len(data)
