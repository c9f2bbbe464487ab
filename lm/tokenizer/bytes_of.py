"""Which bytes each id of a vocabulary stands for."""

import re

import tokenizers
from tokenizers.models import WordPiece

from lm.tokenizer.byte_level import BYTE_OF, to_bytes

BLANK = "\N{LOWER ONE EIGHTH BLOCK}"  # how SentencePiece writes a space
BYTE = re.compile("<0x([0-9A-F]{2})>")  # and a byte of what it has no characters for


def bytes_of(backend: tokenizers.Tokenizer, *, blanks: bool) -> list[bytes]:
    """The bytes of each id, none for specials and ids that nothing uses.

    With `blanks` they are written as SentencePiece does, in characters and single bytes, else in the byte alphabet.
    Refused is a vocabulary that cannot write every byte.
    """
    vocabulary = backend.get_vocab(with_added_tokens=True)
    added = backend.get_added_tokens_decoder()
    within = backend.model.continuing_subword_prefix if isinstance(backend.model, WordPiece) else ""
    pieces, single = [b""] * (max(vocabulary.values()) + 1), set()
    for token, number in vocabulary.items():
        if number in added:  # added tokens are written as they are
            pieces[number] = b"" if added[number].special else token.encode()
            continue
        if blanks:
            piece = bytes([int(byte[1], 16)]) if (byte := BYTE.fullmatch(token)) else token.replace(BLANK, " ").encode()
            single |= {piece} if byte else set()
        else:
            piece = to_bytes(token.removeprefix(within))
            single |= {piece} if piece is not None and len(piece) == 1 else set()
        if piece is None:
            raise ValueError(
                f"vocabulary entry {token!r} is not written in bytes, and there is no byte_fallback for what is not in "
                "the vocabulary: only a tokenizer that can write any text is exact"
            )
        pieces[number] = piece
    absent = {bytes([byte]) for byte in BYTE_OF.values()} - single
    if absent:
        raise ValueError(
            f"the vocabulary lacks {len(absent)} of the 256 single bytes ({min(absent)!r} …), "
            "so some texts could not be written: use a vocabulary that holds them all"
        )
    return pieces
