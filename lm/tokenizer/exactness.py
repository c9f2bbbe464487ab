"""Try whether a tokenizer gives texts back, counts their bytes, and keeps typed special tokens as text."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lm.tokenizer.tokenizer import Tokenizer

# One of everything that a lossy tokenizer changes: no leading space, capitals, combining and precomposed accents,
# ligatures, runs and ends of white space, control characters.
PROBE = "A é e\u0301 ﬁ Ⅳ  two\t\r\n \n x\u00a0\u200b\x00日本語 🙂 <|user|> "


def check_exact(tokenizer: "Tokenizer", *, plain: Mapping[str, str]) -> None:
    """Raise if a text is not given back as it is read, its bytes are miscounted, or it becomes a special token.

    Args:
        tokenizer: The tokenizer.
        plain: Added tokens of plain text, with texts that try each.
    """
    special = {*tokenizer.special_tokens.values()}
    typed = [
        (name, text) for name in tokenizer.special_tokens for text in (name, f"{name} a{name}b{name}{name} {name}")
    ]
    for token, text in (("", PROBE), *plain.items(), *typed):
        ids, read = tokenizer.encode(text), tokenizer.normalize(text).encode()
        counted = int(tokenizer.token_bytes[ids].sum()) - len(tokenizer.prefix)
        if tokenizer.decode_bytes(ids) == read and counted == len(read) and special.isdisjoint(ids):
            continue
        if token in plain:
            raise ValueError(
                f"texts with the added token {token!r} are not given back exactly, so bytes cannot be counted: set "
                '"special": true for it in added_tokens, which keeps it out of texts, or use another tokenizer'
            )
        if token:
            raise ValueError(
                f"{token!r} typed in a text would become that special token, because the model has it as an entry "
                "of its own: use another tokenizer, or train one"
            )
        raise ValueError(
            "this tokenizer does not give texts back exactly (it drops bytes, or adds a space, as add_prefix_space "
            "does), so bytes cannot be counted: use another, or train one"
        )
