"""The folder of a published model opens with the special tokens of the model, each by its role."""

import io
import json
from pathlib import Path

import pytest
import tokenizers

from lm.tokenizer import SPECIAL_TOKENS, load_tokenizer
from support.published import TEXTS, gpt2_backend, gpt2_folder, llama_backend, llama_folder

STORIES = Path(__file__).parents[3] / "shared" / "data" / "stories260K" / "hf"
TEXT = "Once upon a café,\n 🙂 </s> <|user|>"


def test_a_model_folder_keeps_its_vocabulary_and_its_own_roles(tmp_path):
    tokenizer = load_tokenizer(llama_folder(tmp_path))
    assert tokenizer.special_roles == {"bos": 1, "eos": 2, "pad": 2, "unk": 0}
    assert (tokenizer.beginning, tokenizer.opening) == (1, (1,))
    assert (tokenizer.end_of_document, tokenizer.ends, tokenizer.padding) == (2, (2,), 2)
    assert tokenizer.vocab_size == llama_backend().get_vocab_size()
    assert not {*SPECIAL_TOKENS} & {*tokenizer.special_tokens}
    assert (tokenizer.end_of_turn, tokenizer.role_tokens) == (None, {})


@pytest.mark.skipif(not STORIES.is_dir(), reason="needs the shared data")
def test_a_trained_model_is_opened_with_its_512_tokens():
    tokenizer = load_tokenizer(STORIES)
    assert tokenizer.vocab_size == 512
    assert tokenizer.special_roles == {"bos": 1, "eos": 2, "pad": 2, "unk": 0}
    assert tokenizer.encode("Once upon") == [403, 407]


def test_roles_travel_inside_the_file_that_a_run_saves_and_tokenizers_opens_it(tmp_path):
    folder = llama_folder(tmp_path / "model", generation_config={"eos_token_id": [2, 258]})
    tokenizer = load_tokenizer(folder)
    tokenizer.save(tmp_path / "run" / "tokenizer.json")
    again = load_tokenizer(tmp_path / "run")
    assert (again.fingerprint, again.roles) == (tokenizer.fingerprint, tokenizer.roles)
    assert (again.ends, again.vocab_size) == ((2, 258), tokenizer.vocab_size)
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "run" / "tokenizer.json"))
    text = "Once upon a café,\n 🙂"
    assert theirs.encode(text, add_special_tokens=False).ids == tokenizer.encode(text)


def test_text_is_given_back_and_typed_names_of_its_special_tokens_stay_text(tmp_path):
    tokenizer = load_tokenizer(llama_folder(tmp_path))
    ids = tokenizer.encode(TEXT)
    assert tokenizer.decode(ids) == TEXT
    assert not {*ids} & {*tokenizer.special_tokens.values()}
    assert tokenizer.token_bytes[[*ids, tokenizer.end_of_document]].sum() == len(TEXT.encode())
    assert tokenizer.token_bytes[tokenizer.beginning] == 0


def test_a_model_without_a_bos_begins_texts_with_its_eos_and_prompts_with_nothing(tmp_path):
    tokenizer = load_tokenizer(gpt2_folder(tmp_path))
    assert tokenizer.beginning == tokenizer.end_of_document == tokenizer.special_tokens["<|endoftext|>"]
    assert tokenizer.opening == ()


def test_ids_of_the_configs_stand_in_for_names_that_the_tokenizer_does_not_give(tmp_path):
    names = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    text, _, turn = (load_tokenizer(gpt2_folder(tmp_path / "plain", *names)).special_tokens[name] for name in names)
    folder = gpt2_folder(
        tmp_path / "model",
        *names,
        tokenizer={"eos_token": {"content": "<|im_end|>", "special": True}, "bos_token": None},
        model={"bos_token_id": text, "eos_token_id": turn},
        generation_config={"eos_token_id": [turn, text], "pad_token_id": text, "bos_token_id": None},
    )
    tokenizer = load_tokenizer(folder)
    assert (tokenizer.beginning, tokenizer.opening) == (text, ())
    assert (tokenizer.end_of_document, tokenizer.ends) == (turn, (turn, text))
    assert tokenizer.padding == text


@pytest.mark.parametrize(
    ("tokenizer", "post_processor", "opens"),
    [
        ({"add_bos_token": True}, True, True),
        ({"add_bos_token": True}, False, True),
        ({"add_bos_token": False}, True, False),
        ({"add_bos_token": None, "tokenizer_class": "PreTrainedTokenizerFast"}, True, True),
        ({"add_bos_token": None, "tokenizer_class": "PreTrainedTokenizerFast"}, False, False),
        ({"add_bos_token": None, "tokenizer_class": "LlamaTokenizerFast"}, False, True),
    ],
)
def test_a_prompt_begins_with_bos_where_the_tokenizer_adds_it(tmp_path, tokenizer, post_processor, opens):
    folder = llama_folder(tmp_path, tokenizer=tokenizer)
    if not post_processor:
        file = folder / "tokenizer.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"post_processor": None}))
    assert load_tokenizer(folder).opening == ((1,) if opens else ())


def test_a_token_with_a_role_is_special_though_the_file_says_it_is_text(tmp_path):
    folder = llama_folder(tmp_path)
    file = folder / "tokenizer.json"
    described = json.loads(file.read_text())
    described["added_tokens"][2] |= {"special": False, "rstrip": True, "normalized": False}
    file.write_text(json.dumps(described))
    tokenizer = load_tokenizer(folder)
    assert tokenizer.decode(tokenizer.encode(TEXT)) == TEXT
    assert 2 not in tokenizer.encode("a</s> b")


def test_an_embedding_with_more_rows_than_tokens_counts_as_the_vocabulary(tmp_path):
    tokenizer = load_tokenizer(llama_folder(tmp_path, model={"vocab_size": 1000}))
    assert tokenizer.vocab_size == len(tokenizer.token_bytes) == 1000
    assert tokenizer.decode([*tokenizer.encode("Once"), 999]) == "Once"


def test_a_tokenizer_with_ids_beyond_the_model_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"has the id \d+ \('.*'\), more than the vocab_size 100 of its config.json"):
        load_tokenizer(llama_folder(tmp_path, model={"vocab_size": 100}))


def test_a_model_that_names_no_end_of_a_text_is_refused(tmp_path):
    with pytest.raises(ValueError, match="names no token that ends a text: set eos_token in its tokenizer_config"):
        load_tokenizer(llama_folder(tmp_path, tokenizer={"eos_token": None}))


def test_a_folder_without_the_config_of_a_model_gets_our_special_tokens_as_before(tmp_path):
    folder = llama_folder(tmp_path)
    (folder / "config.json").unlink()
    tokenizer = load_tokenizer(folder)
    assert {*SPECIAL_TOKENS} <= {*tokenizer.special_tokens}
    assert tokenizer.beginning == tokenizer.end_of_document == tokenizer.special_tokens["<|end_of_document|>"]


TURNS = ["<|system|>", "<|user|>", "<|assistant|>", "<|end_of_turn|>"]


def test_turn_tokens_are_added_after_the_vocabulary_only_where_they_are_asked_for(tmp_path):
    folder = llama_folder(tmp_path / "model")
    base, tuned = load_tokenizer(folder), load_tokenizer(folder, turn_tokens=True)
    assert tuned.roles.added == TURNS
    assert [tuned.special_tokens[name] for name in TURNS] == [base.vocab_size + n for n in range(4)]
    assert tuned.vocab_size == base.vocab_size + 4
    assert tuned.special_roles == base.special_roles
    assert tuned.encode(TEXT) == base.encode(TEXT)
    tuned.save(tmp_path / "run" / "tokenizer.json")
    for asked in (False, "auto", True):
        assert load_tokenizer(tmp_path / "run", turn_tokens=asked).fingerprint == tuned.fingerprint


def test_turn_tokens_take_rows_that_a_padded_embedding_has_already(tmp_path):
    folder = llama_folder(tmp_path, model={"vocab_size": 1000})
    tuned = load_tokenizer(folder, turn_tokens=True)
    assert tuned.vocab_size == 1000
    assert max(tuned.special_tokens.values()) == llama_backend().get_vocab_size() + 3


def test_a_model_with_a_chat_template_gets_no_turn_tokens_by_itself(tmp_path):
    folder = llama_folder(tmp_path, tokenizer={"chat_template": "{{ messages }}"})
    base = load_tokenizer(folder)
    assert load_tokenizer(folder, turn_tokens="auto").fingerprint == base.fingerprint
    assert load_tokenizer(folder, turn_tokens=True).roles.added == TURNS


def test_a_folder_with_a_sentencepiece_model_alone_opens_with_its_ids(tmp_path):
    sentencepiece, file = pytest.importorskip("sentencepiece"), io.BytesIO()
    options = {"model_type": "bpe", "vocab_size": 300, "byte_fallback": True, "normalization_rule_name": "identity"}
    options |= {"remove_extra_whitespaces": False, "minloglevel": 2, "hard_vocab_limit": False}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*TEXTS * 20, "the ox ate a bug", "qualms vex jumbled wizards"] * 9),
        model_writer=file,
        **options,
    )
    (tmp_path / "tokenizer.model").write_bytes(file.getvalue())
    theirs = sentencepiece.SentencePieceProcessor(model_proto=file.getvalue())
    config = {"model_type": "llama", "vocab_size": theirs.vocab_size(), "bos_token_id": 1}
    (tmp_path / "config.json").write_text(json.dumps(config))
    names = {"bos_token": "<s>", "eos_token": "</s>", "tokenizer_class": "LlamaTokenizer"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(names))
    tokenizer = load_tokenizer(tmp_path)
    assert (tokenizer.vocab_size, tokenizer.opening, tokenizer.ends) == (theirs.vocab_size(), (1,), (2,))
    assert tokenizer.encode("Once upon a café,\n 🙂") == theirs.encode("Once upon a café,\n 🙂")


def test_a_folder_with_a_vocabulary_and_merges_alone_opens_as_gpt2(tmp_path):
    gpt2_folder(tmp_path / "new")
    gpt2_backend().model.save(str(tmp_path))
    vocabulary = json.loads((tmp_path / "vocab.json").read_text())
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary | {"<|endoftext|>": len(vocabulary)}))
    config = {"model_type": "gpt2", "vocab_size": 301, "bos_token_id": 300, "eos_token_id": 300}
    (tmp_path / "config.json").write_text(json.dumps(config))
    tokenizer, new = load_tokenizer(tmp_path), load_tokenizer(tmp_path / "new")
    assert tokenizer.encode(TEXT) == new.encode(TEXT)
    assert (tokenizer.special_tokens, tokenizer.opening) == ({"<|endoftext|>": 300}, ())


@pytest.mark.parametrize(("scheme", "blank"), [("first", 0), ("always", 1)])
def test_bytes_of_an_answer_count_its_blank_only_where_the_model_writes_one(scheme: str, blank: int, tmp_path):
    """Mistral has a blank at the very beginning of a conversation only, so </s> after an answer makes up for none."""
    folder = llama_folder(tmp_path)
    content = json.loads((folder / "tokenizer.json").read_text())
    split = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": False}
    (folder / "tokenizer.json").write_text(json.dumps(content | {"normalizer": None, "pre_tokenizer": split}))
    tokenizer = load_tokenizer(folder)
    answer = [*tokenizer.encode_within("Once upon"), tokenizer.end_of_document]
    assert tokenizer.decode_bytes([tokenizer.special_tokens["<unk>"], *answer]).strip() == b"Once upon"
    assert tokenizer.token_bytes[answer[:-1]].sum() == len("Once upon") + blank
    assert tokenizer.token_bytes_within[answer].sum() == len("Once upon")
    whole = [*tokenizer.encode("Once upon"), tokenizer.end_of_document]
    assert tokenizer.token_bytes[whole].sum() == len("Once upon")
