"""Files of other libraries get our special tokens; files that would miscount bytes are refused."""

import json
from pathlib import Path

import pytest
import tokenizers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from lm.tokenizer import existing_tokenizer, load_tokenizer, train_bpe
from lm.tokenizer.tokenizer import SPECIAL_TOKENS

DATA = Path(__file__).parents[3] / "shared" / "data"


def foreign(*, normalizer=None, prefix: bool = False, alphabet: bool = True) -> Tokenizer:
    """Make a tokenizer like GPT-2's, with a special token of its own."""
    backend = Tokenizer(models.BPE())
    backend.normalizer = normalizer
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if alphabet else [],
        show_progress=False,
    )
    backend.train_from_iterator(["some words of some text"] * 5, trainer)
    return backend


def test_a_foreign_file_gets_our_special_tokens_after_its_own(tmp_path):
    backend = foreign()
    backend.save(str(tmp_path / "tokenizer.json"))
    tokenizer = load_tokenizer(tmp_path)
    size = backend.get_vocab_size()
    assert tokenizer.vocab_size == size + len(SPECIAL_TOKENS)
    assert tokenizer.end_of_document == size
    text = "some words, été 🙂 <|endoftext|> <|user|>"
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.encode("some words") == backend.encode("some words").ids
    assert tokenizer.token_bytes[tokenizer.encode(text)].sum() == len(text.encode())
    assert load_tokenizer(tmp_path).fingerprint == tokenizer.fingerprint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"alphabet": False}, "lacks 2.. of the 243 bytes"),
    ],
)
def test_a_file_that_would_miscount_bytes_is_refused(tmp_path, changes, message):
    foreign(**changes).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ValueError, match=message):
        load_tokenizer(tmp_path)


def test_a_file_with_a_normalizer_is_accepted_and_decodes_to_the_normalized_text(tmp_path):
    foreign(normalizer=normalizers.Lowercase()).save(str(tmp_path / "tokenizer.json"))
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.decode(tokenizer.encode("Some ÉTÉ")) == tokenizer.normalize("Some ÉTÉ") == "some été"


def test_a_missing_or_broken_file_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"no tokenizer at .*nowhere: `lm tokenizer` makes it"):
        load_tokenizer(tmp_path / "nowhere")
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(ValueError, match=r"tokenizer\.json is not a tokenizer\.json"):
        load_tokenizer(tmp_path)


def test_a_role_token_that_the_file_has_as_plain_text_becomes_special(tmp_path):
    """As `<|user|>` in some published files: typed by a user, it must not be the role."""
    backend = foreign()
    backend.add_tokens([tokenizers.AddedToken("<|user|>", special=False), tokenizers.AddedToken("<x>", special=False)])
    backend.save(str(tmp_path / "tokenizer.json"))
    tokenizer = load_tokenizer(tmp_path)
    number = backend.token_to_id("<|user|>")
    assert tokenizer.role_tokens["user"] == tokenizer.special_tokens["<|user|>"] == number
    assert number not in tokenizer.encode("<|user|><x>")
    assert backend.token_to_id("<x>") in tokenizer.encode("<|user|><x>")
    tokenizer.save(tmp_path / "tokenizer.json")
    assert load_tokenizer(tmp_path).fingerprint == tokenizer.fingerprint


def test_an_entry_with_the_name_of_a_role_that_texts_can_make_is_refused(tmp_path):
    backend = foreign()
    backend.save(str(tmp_path / "tokenizer.json"))
    described = json.loads((tmp_path / "tokenizer.json").read_text())
    described["model"]["vocab"]["<|user|>"] = 300
    described["model"]["ignore_merges"] = True
    described["pre_tokenizer"]["use_regex"] = False
    described["added_tokens"] = []
    (tmp_path / "tokenizer.json").write_text(json.dumps(described))
    with pytest.raises(ValueError, match=r"'<\|user\|>' typed in a text would become that special token"):
        load_tokenizer(tmp_path)


def described(number: int, content: str, **flags) -> dict:
    return {str(number): {"content": content, "normalized": False, "special": False, **flags}}


def test_tokens_that_only_the_config_beside_it_lists_are_added_with_their_ids(tmp_path):
    backend = foreign()
    backend.save(str(tmp_path / "tokenizer.json"))
    size = backend.get_vocab_size()
    listed = described(size + 1, "<|im_end|>", special=True) | described(size, "<tool_call>")
    listed |= described(backend.token_to_id("<|endoftext|>"), "<|endoftext|>", special=True)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": listed}))
    for path in (tmp_path, tmp_path / "tokenizer.json"):
        tokenizer = load_tokenizer(path)
        assert tokenizer.encode("<tool_call>") == [size]
        assert tokenizer.special_tokens["<|im_end|>"] == size + 1 not in tokenizer.encode("<|im_end|>")
        assert tokenizer.end_of_document == size + 2
        assert tokenizer.decode(tokenizer.encode("a <tool_call>b<|im_end|>")) == "a <tool_call>b<|im_end|>"
    transformers = pytest.importorskip("transformers")
    assert transformers.AutoTokenizer.from_pretrained(tmp_path).encode("<tool_call>") == [size]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "is not a tokenizer_config.json"),
        (json.dumps({"added_tokens_decoder": {"x": {}}}), "is not a tokenizer_config.json"),
        (
            json.dumps({"added_tokens_decoder": described(900, "<x>")}),
            "gives the token '<x>' the id 900, which would be",
        ),
    ],
)
def test_a_config_that_contradicts_the_tokenizer_is_refused_by_name(tmp_path, config, message):
    foreign().save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(config)
    with pytest.raises(ValueError, match=rf"tokenizer_config\.json {message}"):
        load_tokenizer(tmp_path)


def test_a_config_without_tokens_of_its_own_changes_nothing(tmp_path):
    foreign().save(str(tmp_path / "tokenizer.json"))
    alone = load_tokenizer(tmp_path).fingerprint
    (tmp_path / "tokenizer_config.json").write_text('{"chat_template": "x"}')
    assert load_tokenizer(tmp_path).fingerprint == alone


def test_an_existing_tokenizer_takes_the_place_of_training(tmp_path):
    trained = train_bpe(["a text"], vocab_size=262)
    trained.save(tmp_path / "tokenizer.json")
    assert existing_tokenizer(["other"], path=str(tmp_path)).fingerprint == trained.fingerprint


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the sample data at {DATA} is not here")
def test_a_real_llama_tokenizer_keeps_its_ids():
    original = tokenizers.Tokenizer.from_file(str(DATA / "stories260K" / "hf" / "tokenizer.json"))
    tokenizer = load_tokenizer(DATA / "stories260K" / "hf")
    for text in ("Once upon a time, Tim had a ball.", " two  blanks\n", "é 日本 🙂", ""):
        assert tokenizer.encode(text) == original.encode(text, add_special_tokens=False).ids
        assert tokenizer.decode(tokenizer.encode(text)) == text
