"""A tokenizer like SentencePiece's: a space before every text, blanks as ▁, byte fallback."""

from tokenizers import Tokenizer as Backend
from tokenizers import models, normalizers

from lm.tokenizer import Tokenizer
from lm.tokenizer.load import with_special_tokens

BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
LETTERS = ["▁", "a", "b", "c", "é", "ab", "▁a", "▁ab", "▁▁"]


def spaced_tokenizer() -> Tokenizer:
    vocabulary = {piece: number for number, piece in enumerate(["<unk>", *BYTES, *LETTERS])}
    merges = [("a", "b"), ("▁", "ab"), ("▁", "a"), ("▁", "▁")]
    backend = Backend(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.add_special_tokens(["<unk>"])
    return with_special_tokens(backend.to_str())
