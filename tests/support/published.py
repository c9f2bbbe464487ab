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


@cache
def bert_backend(lowercase: bool = True) -> tokenizers.Tokenizer:
    """WordPiece as BERT has it."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "cafe", "café", "hen", "ate", "##s", "##n", "!", ",", ":"]
    words += [*"oncepuatimhwrfxs12345", *(f"##{letter}" for letter in "oncepuatimhwrfx12345")]
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys(words))}
    backend = tokenizers.Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    backend.normalizer, backend.pre_tokenizer = (
        normalizers.BertNormalizer(lowercase=lowercase),
        pre_tokenizers.BertPreTokenizer(),
    )
    backend.decoder = decoders.WordPiece()
    backend.add_special_tokens([AddedToken(token, normalized=False) for token in words[:4]])
    backend.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", "[CLS] $A [SEP] $B", [("[CLS]", 2), ("[SEP]", 3)]
    )
    return backend


@cache
def t5_backend() -> tokenizers.Tokenizer:
    """Unigram as T5 and XLM-R have it: compatibility characters mapped, blanks as ▁, no bytes."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), ("▁the", -3.0), ("▁a", -3.5), ("hen", -4.0)]
    pieces += [(letter, -5.0 - n / 8) for n, letter in enumerate("oncepuatimhwrsé12345fix,!:'")]
    backend = tokenizers.Tokenizer(models.Unigram(pieces, 2, False))
    backend.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(tokenizers.Regex(" {2,}"), " ")])
    backend.pre_tokenizer = pre_tokenizers.Metaspace("▁", "always")
    backend.decoder = decoders.Metaspace("▁", "always")
    special = [AddedToken(token, normalized=False) for token in ("<pad>", "</s>", "<unk>")]
    backend.add_special_tokens([*special, AddedToken("<extra_id_0>"), AddedToken("<mask>", lstrip=True)])
    backend.post_processor = processors.TemplateProcessing("$A </s>", "$A </s> $B </s>", [("</s>", 1)])
    return backend


@cache
def roberta_backend() -> tokenizers.Tokenizer:
    """Byte-level BPE that puts a space before each text."""
    backend = tokenizers.Tokenizer.from_str(gpt2_backend("<s>", "</s>").to_str())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    return backend


@cache
def metaspace_backend(scheme: str) -> tokenizers.Tokenizer:
    """SentencePiece's BPE as newer files have it: ▁ is the work of the pre-tokenizer."""
    described = json.loads(llama_backend().to_str())
    described["normalizer"] = None
    described["pre_tokenizer"] = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": False}
    return tokenizers.Tokenizer.from_str(json.dumps(described))


@cache
def gemma_backend() -> tokenizers.Tokenizer:
    """SentencePiece's BPE as Gemma has it: blanks as ▁, nothing before a text."""
    described = json.loads(llama_backend().to_str())
    described["normalizer"] = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    split = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
    described["pre_tokenizer"] = split
    described["decoder"]["decoders"] = described["decoder"]["decoders"][:3]
    return tokenizers.Tokenizer.from_str(json.dumps(described))


@cache
def qwen_backend() -> tokenizers.Tokenizer:
    """Byte-level BPE with composed characters, single digits, and added tokens that are text and that are not."""
    backend = tokenizers.Tokenizer.from_str(gpt2_backend("<|endoftext|>", "<|im_start|>", "<|im_end|>").to_str())
    backend.normalizer = normalizers.NFC()
    words = tokenizers.Regex(r"(?i:'s|'t|'ll)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+(?!\S)|\s+")
    split, letters = pre_tokenizers.Split(words, "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)
    backend.pre_tokenizer = pre_tokenizers.Sequence([split, letters])
    backend.add_tokens([AddedToken(token, normalized=False) for token in ("<tool_call>", "<think>", "    ")])
    backend.post_processor = processors.ByteLevel(trim_offsets=False)
    return backend
