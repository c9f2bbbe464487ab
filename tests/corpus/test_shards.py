"""Shards contain every byte of every document once; incomplete and foreign corpora are refused."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from lm.corpus import Document, Shards, Split, write_shards
from lm.corpus.layout import dtype_for
from lm.tokenizer import Tokenizer, train_bpe
from support.spaced import spaced_tokenizer

DOCUMENTS = [
    *(
        Document(f"def f{i}(x):\n    return x + {i}  # é 🙂\n" * (1 + i % 7), f"c{i}", "code", f"g{i}")
        for i in range(60)
    ),
    *(Document(f"About f{i}: it adds {i}.\n", f"p{i}", "prose", f"g{i}") for i in range(60)),
]


@pytest.fixture(scope="module", params=["bytes", "a space before every text"])
def tokenizer(request) -> Tokenizer:
    if request.param == "bytes":
        return train_bpe((document.text for document in DOCUMENTS), vocab_size=300)
    return spaced_tokenizer()


@pytest.fixture
def corpus(tmp_path, tokenizer) -> Path:
    write_shards(DOCUMENTS, tmp_path, tokenizer=tokenizer, split=Split(0.2), shard_tokens=500)
    return tmp_path


def test_streams_hold_every_document_of_their_split_in_order(corpus, tokenizer):
    for split, held_out in {"train": False, "validation": True}.items():
        shards = Shards(corpus, split, tokenizer=tokenizer)
        assert shards.kinds == ["code", "prose"]
        for kind, stream in shards.streams.items():
            expected = [d for d in DOCUMENTS if d.kind == kind and Split(0.2).held_out(d) == held_out]
            assert expected
            assert stream.ids == [d.id for d in expected]
            assert stream.bytes.tolist() == [len(d.text.encode()) for d in expected]
            texts = [tokenizer.decode(stream.document(i)) for i in range(stream.documents)]
            assert texts == [d.text for d in expected]


def test_every_byte_is_a_target_once_and_every_document_opens_and_closes(corpus, tokenizer):
    for stream in Shards(corpus, "train").streams.values():
        whole = stream.read(0, len(stream))
        ends = np.flatnonzero(whole == tokenizer.end_of_document)
        assert ends.tolist() == stream.bounds.tolist()
        assert stream.starts.tolist() == ends[:-1].tolist()
        assert len(stream) == ends[-1] + 1 == stream.tokens + 1
        assert tokenizer.token_bytes[whole[1:]].sum() == stream.bytes.sum()
        for i, (start, stop) in enumerate(zip(stream.bounds, stream.bounds[1:], strict=False)):
            assert tokenizer.token_bytes[whole[start + 1 : stop + 1]].sum() == stream.bytes[i]


def test_a_slice_reads_the_same_across_files(corpus):
    stream = Shards(corpus, "train").streams["code"]
    assert len(stream.paths) > 2
    whole = np.concatenate([np.fromfile(path, dtype="<u2") for path in stream.paths]).astype(np.int64)
    assert len(whole) == len(stream)
    chance = np.random.default_rng(0)
    for start, stop in np.sort(chance.integers(0, len(stream) + 1, size=(300, 2))):
        read = stream.read(int(start), int(stop))
        assert read.dtype == np.int64
        assert np.array_equal(read, whole[start:stop])
    scattered = chance.integers(0, len(stream), size=(7, 50))
    assert np.array_equal(stream.at(scattered), whole[scattered])
    for start, stop in ((-1, 2), (0, len(stream) + 1), (3, 2)):
        with pytest.raises(IndexError):
            stream.read(start, stop)


def test_shards_end_with_documents_near_the_requested_size(corpus):
    index = json.loads((corpus / "corpus.json").read_text())
    entry = index["splits"]["train"]["code"]
    assert all(500 <= shard["entries"] < 700 for shard in entry["shards"][:-1])
    assert entry["bytes"] == sum(shard["bytes"] for shard in entry["shards"])
    assert Shards(corpus, "train").counts["code"] == {k: entry[k] for k in ("documents", "tokens", "bytes")}


def test_the_size_of_shards_and_batches_does_not_change_the_stream(corpus, tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr("lm.corpus.writer.BATCH_DOCUMENTS", 3)
    write_shards(DOCUMENTS, tmp_path / "one", tokenizer=tokenizer, split=Split(0.2), shard_tokens=10**9)
    for split in ("train", "validation"):
        for kind, stream in Shards(corpus, split).streams.items():
            other = Shards(tmp_path / "one", split).streams[kind]
            assert len(other.paths) == 1
            assert np.array_equal(other.read(0, len(other)), stream.read(0, len(stream)))
            assert np.array_equal(other.bounds, stream.bounds)


def test_a_document_longer_than_a_batch_gets_the_same_ids_as_in_one_piece(tmp_path, tokenizer, monkeypatch):
    monkeypatch.setattr("lm.corpus.writer.BATCH_CHARACTERS", 50)
    text = "".join(document.text for document in DOCUMENTS).replace("3", "\n\n  \n\t\r\n(!\n")
    write_shards([Document(text, "long")], tmp_path, tokenizer=tokenizer, split=Split(0), shard_tokens=500)
    assert Shards(tmp_path).streams["prose"].document(0).tolist() == tokenizer.encode(text)


def test_the_fingerprint_is_of_the_content(corpus, tokenizer, tmp_path):
    write_shards(DOCUMENTS, tmp_path / "same", tokenizer=tokenizer, split=Split(0.2), shard_tokens=500)
    write_shards(DOCUMENTS[1:], tmp_path / "less", tokenizer=tokenizer, split=Split(0.2), shard_tokens=500)
    fingerprints = [Shards(path).fingerprint for path in (corpus, tmp_path / "same", tmp_path / "less")]
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]
    assert Shards(corpus, "validation").fingerprint == fingerprints[0]


def test_a_corpus_made_with_another_tokenizer_is_refused(corpus, tokenizer):
    other = train_bpe(["quite another text"], vocab_size=270)
    made = rf"made with another tokenizer \({tokenizer.vocab_size} tokens.*than the one given \(2"
    with pytest.raises(ValueError, match=made):
        Shards(corpus, tokenizer=other)
    assert Shards(corpus).tokenizer_fingerprint == Tokenizer((corpus / "tokenizer.json").read_text()).fingerprint
    assert Shards(corpus).vocab_size == tokenizer.vocab_size


@pytest.mark.parametrize("stop", [0, 40, 100])
def test_an_interrupted_writer_leaves_no_readable_corpus(corpus, tokenizer, stop, monkeypatch):
    """Over a finished corpus: neither the old nor the half-written new one may be taken for a corpus."""
    monkeypatch.setattr("lm.corpus.writer.BATCH_DOCUMENTS", 10)

    def torn():
        yield from DOCUMENTS[:stop]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_shards(torn(), corpus, tokenizer=tokenizer, split=Split(0.2), shard_tokens=500)
    with pytest.raises(ValueError, match="never finished"):
        Shards(corpus)
    (corpus / ".train-code-00000.bin.x1.bin").write_bytes(b"of a killed writer")
    write_shards(DOCUMENTS[:50], corpus, tokenizer=tokenizer, split=Split(0.2), shard_tokens=10**6)
    assert sorted(path.name for path in corpus.iterdir()) == [
        *("corpus.json", "tokenizer.json", "train-code-00000.bin", "train-code-00000.npz"),
        *("validation-code-00000.bin", "validation-code-00000.npz"),
    ]


def test_a_cut_or_missing_shard_is_refused_by_name(corpus):
    path = corpus / "train-code-00001.bin"
    whole = path.read_bytes()
    path.write_bytes(whole[:-2])
    with pytest.raises(ValueError, match=r"train-code-00001.bin has \d+ bytes instead of"):
        Shards(corpus)
    path.unlink()
    with pytest.raises(ValueError, match=r"train-code-00001.bin is missing"):
        Shards(corpus)
    Shards(corpus, "validation")


def test_an_id_outside_the_vocabulary_is_reported_with_its_file(corpus):
    path = corpus / "train-code-00001.bin"
    path.write_bytes(b"\xff" * path.stat().st_size)
    stream = Shards(corpus).streams["code"]
    with pytest.raises(ValueError, match=r"train-code-00001.bin is damaged \(id 65535 in a vocabulary of \d+\)"):
        stream.read(0, len(stream))
    with pytest.raises(ValueError, match=r"train-code-00001.bin is damaged \(id 65535 in a vocabulary of \d+\)"):
        stream.at(np.arange(len(stream)))


@pytest.mark.parametrize("place", [0, 7, -1])
def test_one_changed_byte_is_reported_with_its_file(place, corpus):
    Shards(corpus).verify()
    path = corpus / "train-code-00001.bin"
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"train-code-00001.bin is damaged \(it is not what was written\)"):
        Shards(corpus).verify()
    Shards(corpus, "validation").verify()


def test_a_stream_is_pickled_without_its_tokens(corpus):
    stream = Shards(corpus).streams["code"]
    whole = stream.read(0, len(stream))
    packed = pickle.dumps(stream)
    assert len(packed) == len(pickle.dumps(Shards(corpus).streams["code"])), "as one that was never read"
    assert np.array_equal(pickle.loads(packed).read(0, len(stream)), whole)


def test_ids_take_the_smallest_type_that_holds_them():
    assert dtype_for(65536) == np.uint16
    assert dtype_for(65537) == np.uint32


def test_wrong_byte_counts_of_a_tokenizer_are_reported_with_the_document(tmp_path, tokenizer):
    broken = pickle.loads(pickle.dumps(tokenizer))
    broken.token_bytes = tokenizer.token_bytes * 2
    with pytest.raises(ValueError, match=r"document 'c0' has \d+ bytes but its tokens"):
        write_shards(DOCUMENTS, tmp_path, tokenizer=broken, split=Split(0.2), shard_tokens=500)
    assert not list(tmp_path.glob("*"))


def test_invalid_arguments_are_refused(tmp_path, tokenizer, corpus):
    with pytest.raises(ValueError, match="shard_tokens 0"):
        write_shards(DOCUMENTS, tmp_path / "x", tokenizer=tokenizer, split=Split(0.2), shard_tokens=0)
    with pytest.raises(ValueError, match=r"split 'valid' is not one of train, validation"):
        Shards(corpus, "valid")
    with pytest.raises(ValueError, match=r"nowhere is not a corpus .*run `lm corpus`"):
        Shards(tmp_path / "nowhere")
