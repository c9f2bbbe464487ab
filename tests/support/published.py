"""Folders of published models with small tokenizers of each kind, written for the tests."""

import json
from functools import cache
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors, trainers

TEXTS = ["Once upon a time, there was a café. It's 12 o'clock: the hen and the fox ate 345 pies!\n"] * 3


@cache
def llama_backend() -> tokenizers.Tokenizer:
    """SentencePiece's BPE as Llama 2 has it: spaces as ▁, other bytes as <0x..>, one ▁ before a text."""
    words = ["▁Once", "▁up", "▁the", "▁a", "on", "en", "ox", "▁t", "▁", *"Oncepuatimeh,wsréI'12o:dfx345!"]
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    pieces += [part for word in words for part in (word[:n] for n in range(1, len(word) + 1))]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    long = [piece for piece in vocabulary if len(piece) > 1 and not piece.startswith("<")]
    merges = [(piece[:-1], piece[-1]) for piece in long]
    backend = tokenizers.Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in pieces[:3]])
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    backend.post_processor = processors.TemplateProcessing("<s> $A", "<s> $A <s> $B", [("<s>", 1)])
    return backend


@cache
def gpt2_backend(*special: str) -> tokenizers.Tokenizer:
    """Byte-level BPE that puts nothing before a text."""
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator(TEXTS, trainer)
    backend.add_special_tokens([AddedToken(token, normalized=False) for token in special or ("<|endoftext|>",)])
    return backend


def write_folder(
    folder: Path, backend: tokenizers.Tokenizer, *, tokenizer: dict, model: dict | None = None, **files: dict
) -> Path:
    """Write a model folder without weights; further keywords are the contents of files by name without `.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    backend.save(str(folder / "tokenizer.json"))
    config = {"model_type": "llama", "vocab_size": backend.get_vocab_size()} | (model or {})
    contents = {"config": config, "tokenizer_config": tokenizer, **files}
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def llama_folder(folder: Path, **files: dict) -> Path:
    """A folder as of Llama 2: <s> begins a text, </s> ends it."""
    settings = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "add_bos_token": True}
    settings |= {"tokenizer_class": "LlamaTokenizer"} | files.pop("tokenizer", {})
    return write_folder(folder, llama_backend(), tokenizer=settings, **files)


def gpt2_folder(folder: Path, *special: str, **files: dict) -> Path:
    """A folder as of GPT-2 or Qwen: one token ends texts, none is put before them."""
    settings = {"eos_token": (special or ("<|endoftext|>",))[0]} | files.pop("tokenizer", {})
    return write_folder(folder, gpt2_backend(*special), tokenizer=settings, **files)
