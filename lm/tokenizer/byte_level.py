"""How byte-level vocabularies write bytes: a visible character for each of the 256, after GPT-2.

Bytes that Latin-1 shows as a visible character stand for themselves; the other 68 take U+0100 onward in
order. `tokenizers` has the table inside, and shows it neither by id nor by byte, so it is worked out here
once.
"""

VISIBLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
HIDDEN = [byte for byte in range(256) if byte not in VISIBLE]

BYTE_OF = {chr(byte): byte for byte in VISIBLE} | {chr(256 + n): byte for n, byte in enumerate(HIDDEN)}


def to_bytes(token: str) -> bytes | None:
    """The bytes a vocabulary entry stands for; None if it is not written in this alphabet."""
    values = [BYTE_OF.get(character, -1) for character in token]
    return None if -1 in values else bytes(values)


CHARACTER_OF = {byte: character for character, byte in BYTE_OF.items()}


def to_text(token: bytes) -> str:
    """How a vocabulary writes these bytes."""
    return "".join(CHARACTER_OF[byte] for byte in token)
