"""How byte-level vocabularies write bytes, and the bytes that each id stands for.

GPT-2 writes each of the 256 bytes as a visible character. Bytes that Latin-1 shows as a visible character stand for
themselves; the other 68 take U+0100 onward in order. `tokenizers` has the table inside but does not expose it.
"""

import re

import tokenizers
from tokenizers.models import WordPiece

VISIBLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
HIDDEN = [byte for byte in range(256) if byte not in VISIBLE]

BYTE_OF = {chr(byte): byte for byte in VISIBLE} | {chr(256 + n): byte for n, byte in enumerate(HIDDEN)}
CHARACTER_OF = {byte: character for character, byte in BYTE_OF.items()}

BLANK = "\N{LOWER ONE EIGHTH BLOCK}"  # SentencePiece writes a space as this character
BYTE_FALLBACK = re.compile("<0x([0-9A-F]{2})>")  # and a byte outside its characters as this entry


def to_bytes(token: str) -> bytes | None:
    """Return the bytes of a vocabulary entry, or None if it is not written in the byte alphabet."""
    values = [BYTE_OF.get(character, -1) for character in token]
    return None if -1 in values else bytes(values)


def to_text(token: bytes) -> str:
    """Write bytes in the byte alphabet."""
    return "".join(CHARACTER_OF[byte] for byte in token)


def bytes_of_ids(backend: tokenizers.Tokenizer, *, byte_fallback: bool) -> list[bytes]:
    """Return the bytes of each id; special tokens and unused ids have none.

    Args:
        backend: The tokenizer.
        byte_fallback: Whether entries are written as SentencePiece does, in characters and single bytes, rather than in
            the byte alphabet.

    Raises:
        ValueError: The vocabulary cannot write every byte.
    """
    vocabulary = backend.get_vocab(with_added_tokens=True)
    added = backend.get_added_tokens_decoder()
    prefix = backend.model.continuing_subword_prefix if isinstance(backend.model, WordPiece) else ""
    pieces, single = [b""] * (max(vocabulary.values()) + 1), set()
    for token, number in vocabulary.items():
        if number in added:  # added tokens are written as they are
            pieces[number] = b"" if added[number].special else token.encode()
            continue
        if byte_fallback:
            byte = BYTE_FALLBACK.fullmatch(token)
            piece = bytes([int(byte[1], 16)]) if byte else token.replace(BLANK, " ").encode()
            single |= {piece} if byte else set()
        else:
            piece = to_bytes(token.removeprefix(prefix))
            single |= {piece} if piece is not None and len(piece) == 1 else set()
        if piece is None:
            raise ValueError(
                f"vocabulary entry {token!r} is not written in the byte alphabet, and the model has no byte_fallback "
                "for text outside its vocabulary: use a tokenizer that can write any text"
            )
        pieces[number] = piece
    absent = {bytes([byte]) for byte in BYTE_OF.values()} - single
    if absent:
        raise ValueError(
            f"the vocabulary lacks {len(absent)} of the 256 single bytes ({min(absent)!r} …), "
            "so it cannot write every text: use a vocabulary that has them all"
        )
    return pieces
