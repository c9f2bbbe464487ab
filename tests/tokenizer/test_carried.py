"""Every kind of tokenizer.json gives the ids of the library tokenizers; what loses text is kept from training."""

import random

import pytest
import tokenizers

from lm.corpus import Split, write_shards
from lm.tokenizer import load_tokenizer, measure
from support.published import (
    bert_backend,
    gemma_backend,
    gpt2_backend,
    llama_backend,
    metaspace_backend,
    qwen_backend,
    roberta_backend,
    t5_backend,
    write_folder,
)

PIECES = [
    " ", "  ", "    ", "Once", "the", "hen", "a", "é", "e\u0301", "ﬁ", "日本", "🙂", "\n", "\t", "</s>", "<s>", "[SEP]",
    "[UNK]",
    "<|im_end|>", "'s", "12345", "<tool_call>", "<think>", "<mask>", "Ⅳ", "\x00", "\u200b", "ſ", "'ſ", "\r\n", "▁",
    "<0x41>",
]  # fmt: skip
EXACT = {
    "llama": (llama_backend, {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}),
    "first": (lambda: metaspace_backend("first"), {"bos_token": "<s>", "eos_token": "</s>"}),
    "always": (lambda: metaspace_backend("always"), {"bos_token": "<s>", "eos_token": "</s>"}),
    "never": (lambda: metaspace_backend("never"), {"bos_token": "<s>", "eos_token": "</s>"}),
    "gemma": (gemma_backend, {"bos_token": "<s>", "eos_token": "</s>"}),
    "gpt2": (gpt2_backend, {"eos_token": "<|endoftext|>"}),
    "qwen": (qwen_backend, {"eos_token": "<|im_end|>"}),
}
LOSSY = {
    "bert": (bert_backend, {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]"}),
    "t5": (t5_backend, {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}),
    "roberta": (roberta_backend, {"bos_token": "<s>", "eos_token": "</s>"}),
}


def texts(name: str):
    draw = random.Random(name)
    return ["".join(draw.choices(PIECES, k=draw.randint(0, 9))) for _ in range(300)]


def opened(folder, backend, names):
    return load_tokenizer(write_folder(folder, backend(), tokenizer=names))


def library_ids(backend, text):
    backend.encode_special_tokens = True
    return backend.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("name", [*EXACT, *LOSSY])
def test_ids_are_those_of_the_library_and_never_special(tmp_path, name):
    backend, names = (EXACT | LOSSY)[name]
    tokenizer, theirs = opened(tmp_path, backend, names), tokenizers.Tokenizer.from_str(backend().to_str())
    special = {*tokenizer.special_tokens.values()} - {tokenizer.special_roles.get("unk")}
    for text in texts(name):
        ids = tokenizer.encode(text)
        if name != "t5" or "</s>" not in text:  # which the library takes for the token, though it is typed
            assert ids == library_ids(theirs, text)
        assert not special & {*ids}
    batch = tokenizer.encode_batch(texts(name))
    assert [ids.tolist() for ids in batch] == [tokenizer.encode(text) for text in texts(name)]


@pytest.mark.parametrize("name", EXACT)
def test_exact_kinds_give_texts_back_as_they_are_read(tmp_path, name):
    tokenizer = opened(tmp_path, *EXACT[name])
    assert not tokenizer.lossy
    for text in texts(name):
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids) == tokenizer.normalize(text)
        assert tokenizer.counted(text)[1].sum() == len(tokenizer.normalize(text).encode())


@pytest.mark.parametrize("name", LOSSY)
def test_lossy_kinds_count_the_bytes_of_the_source(tmp_path, name):
    tokenizer = opened(tmp_path, *LOSSY[name])
    assert tokenizer.lossy
    for text in texts(name):
        source, sizes = tokenizer.counted(text)
        ids = tokenizer.encode(text)
        assert (source, len(sizes)) == (text, len(ids))
        assert sizes.sum() == (len(text.encode()) if ids else 0)
        assert (sizes >= 0).all()
        assert tokenizer.decode(ids) == tokenizer.normalize(text)


def test_each_token_stands_for_its_part_of_the_source(tmp_path):
    tokenizer = opened(tmp_path, *LOSSY["bert"])
    text = "The  CAFÉ, hens 日!"
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == "the cafe , hens !"
    assert tokenizer.counted(text)[1].tolist() == [3, 7, 1, 4, 1, 4, 1]
    assert measure(tokenizer, [text])["bytes_per_token"] == len(text.encode()) / len(ids)


def test_a_line_says_once_what_is_lost(tmp_path, capsys):
    backend, names = LOSSY["bert"]
    for folder in ("a", "b"):  # a vocabulary of a size that no other test has opened
        load_tokenizer(write_folder(tmp_path / folder, backend(), tokenizer=names, model={"vocab_size": 777}))
    (line,) = [each for each in capsys.readouterr().out.splitlines() if "loses" in each]
    assert "loses capitals, accents, white space, compatibility characters, characters outside its vocabulary" in line


def test_a_cased_vocabulary_keeps_accents(tmp_path):
    tokenizer = opened(tmp_path, lambda: bert_backend(lowercase=False), LOSSY["bert"][1])
    assert tokenizer.decode(tokenizer.encode("the café")) == "the café"
    assert "accents" not in tokenizer.losses


@pytest.mark.parametrize("name", LOSSY)
def test_a_corpus_in_a_lossy_tokenizer_is_refused_in_words(tmp_path, name):
    tokenizer = opened(tmp_path, *LOSSY[name])
    with pytest.raises(
        ValueError, match=r"a corpus needs a tokenizer that gives texts back, and this one loses .*white"
    ):
        write_shards([], tmp_path / "corpus", tokenizer=tokenizer, split=Split(0.0), shard_tokens=10)
    assert not (tmp_path / "corpus").exists()
