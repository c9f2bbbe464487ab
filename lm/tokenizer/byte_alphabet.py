"""How byte-level vocabularies write bytes, and the bytes that each id stands for.

GPT-2 writes each of the 256 bytes as a visible character. Bytes that Latin-1 shows as a visible character stand for
themselves; the other 68 take U+0100 onward in order. `tokenizers` has the table inside but does not expose it.
"""

import codecs
import re

import tokenizers
from tokenizers.models import WordPiece

VISIBLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
HIDDEN = [byte for byte in range(256) if byte not in VISIBLE]
IN_TEXT = {*range(0xC0), *range(0xC2, 0xF5)}  # the 243 bytes that occur in UTF-8

BYTE_OF = {chr(byte): byte for byte in VISIBLE} | {chr(256 + n): byte for n, byte in enumerate(HIDDEN)}
CHARACTER_OF = {byte: character for character, byte in BYTE_OF.items()}
CHARACTERS = "".join(CHARACTER_OF[byte] for byte in range(256))
CODES = {ord(character): byte for character, byte in BYTE_OF.items()}

BLANK = "\N{LOWER ONE EIGHTH BLOCK}"  # SentencePiece writes a space as this character
BYTE_FALLBACK = re.compile("<0x([0-9A-F]{2})>")  # and a byte outside its characters as this entry


def to_bytes(token: str) -> bytes | None:
    """Return the bytes of a vocabulary entry, or None if it is not written in the byte alphabet."""
    try:
        return codecs.charmap_encode(token, "strict", CODES)[0]
    except UnicodeEncodeError:
        return None


def to_text(token: bytes) -> str:
    """Write bytes in the byte alphabet."""
    return codecs.charmap_decode(token, "strict", CHARACTERS)[0]


def bytes_of_ids(backend: tokenizers.Tokenizer, *, byte_fallback: bool) -> list[bytes]:
    """Return the bytes of each id; special tokens and unused ids have none.

    Args:
        backend: The tokenizer.
        byte_fallback: Whether entries are written as SentencePiece does, in characters and single bytes, rather than in
            the byte alphabet.

    Raises:
        ValueError: The vocabulary cannot write every text.
    """
    entries, added = backend.get_vocab(with_added_tokens=False), backend.get_added_tokens_decoder()
    special = {number for number, token in added.items() if token.special}
    pieces = [b""] * (max([*entries.values(), *added]) + 1)
    single: dict[str, set[int]] = {prefix: set() for prefix in _prefixes(backend)}  # bytes that have an entry
    for token, number in entries.items():
        if number not in special:
            prefix, pieces[number], alone = _piece(token, list(single), byte_fallback=byte_fallback)
            single[prefix] |= set(pieces[number]) if alone else set()
    for number, token in added.items():
        if not token.special:
            normalizer = backend.normalizer if token.normalized else None
            matched = normalizer.normalize_str(token.content) if normalizer else token.content
            pieces[number] = _added_piece(matched, entry=pieces[number], byte_fallback=byte_fallback)
    absent = set().union(*(IN_TEXT - present for present in single.values()))
    if absent:
        raise ValueError(
            f"the vocabulary lacks {len(absent)} of the 243 bytes that occur in UTF-8 (0x{min(absent):02X} …), "
            "so it cannot write every text: use a vocabulary that has them all"
        )
    return pieces


def _prefixes(backend: tokenizers.Tokenizer) -> list[str]:
    """Return the ways an entry may begin: WordPiece writes those within a word with a prefix."""
    return [backend.model.continuing_subword_prefix, ""] if isinstance(backend.model, WordPiece) else [""]


def _piece(token: str, prefixes: list[str], *, byte_fallback: bool) -> tuple[str, bytes, bool]:
    """Return the prefix and the bytes of an entry, and whether it writes a single byte of any text."""
    if byte_fallback:
        byte = BYTE_FALLBACK.fullmatch(token)
        return "", bytes([int(byte[1], 16)]) if byte else token.replace(BLANK, " ").encode(), bool(byte)
    prefix = next(prefix for prefix in prefixes if token.startswith(prefix))
    piece = to_bytes(token.removeprefix(prefix))
    if piece is None:
        raise ValueError(
            f"vocabulary entry {token!r} is not written in the byte alphabet, and the model has no byte_fallback "
            "for text outside its vocabulary: use a tokenizer that can write any text"
        )
    return prefix, piece, len(piece) == 1


def _added_piece(content: str, *, entry: bytes, byte_fallback: bool) -> bytes:
    """Return the bytes of an added token of plain text, which matches its content; `entry` are those of its id."""
    piece = (content.replace(BLANK, " ") if byte_fallback else content).encode()
    if entry not in (b"", piece):
        raise ValueError(
            f"the added token {content!r} matches that text, and the model writes the bytes {entry!r} with the same "
            "id, so bytes cannot be counted: remove it from added_tokens"
        )
    return piece
