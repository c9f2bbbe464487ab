"""An exported tokenizer with its chat template gives our token ids in transformers, or is refused in words."""

import json
import random
import warnings

import pytest

from lm.conversation import (
    ChatTemplate,
    Conversation,
    Message,
    RoleTokenTemplate,
    TurnTemplate,
    jinja_of,
    published_files,
    with_tools_as_text,
)
from lm.tokenizer import load_tokenizer, train_unigram
from support.foreign import foreign_tokenizer
from support.published import gpt2_folder, llama_folder
from support.published_templates import BEGINS, IMITATED
from support.talks import ALTERNATING, OPTIONS, TEXT, TOOLS, conversation_of, template_of, tokenizer_of

TOOL = {"type": "function", "function": {"name": "get", "description": "Gets x.", "parameters": {"type": "object"}}}
CALL = {"name": "get", "arguments": {"what": "étoile", "n": 3}}
WORDS = [
    " what",
    "\n\n",
    "?",
    " def f(x):\n    return x",
    "42",
    "é",
    " 日本",
    "🙂",
    " {{ x }}",
    "'",
    "<think>",
    "\t",
    "ab",
]
TOKENIZERS = ["ours", "marked", "spaced", "llama", "gpt2"]


@pytest.fixture(scope="module")
def tokenizers_by_name(tmp_path_factory):
    folders = {"llama": llama_folder, "gpt2": gpt2_folder}
    opened = {
        name: load_tokenizer(write(tmp_path_factory.mktemp(name)), turn_tokens=True) for name, write in folders.items()
    }
    return opened | {name: tokenizer_of(name) for name in TOKENIZERS if name not in folders}


def opened(folder, tokenizer, template=None, **more):
    """The exported folder in transformers, which must not complain."""
    transformers = pytest.importorskip("transformers")
    folder.mkdir(exist_ok=True)
    for name, content in published_files(tokenizer, template=template, **more).items():
        (folder / name).write_text(content, encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return transformers.AutoTokenizer.from_pretrained(folder)


def talk(draw: random.Random, option: str) -> Conversation:
    def words() -> str:
        text = "".join(draw.choices(WORDS, k=draw.randint(1, 6)))
        return text if text.strip() else text + "x"

    turns = [("system", words())] if draw.random() < 0.4 else []
    for _ in range(draw.randint(1, 3)):
        turns += [("user", words()), ("assistant", words())]
        if option in (*TOOLS, "roles_with_tools") and draw.random() < 0.4:
            turns += [("tool", words()), ("assistant", words())]
    if option not in ALTERNATING and draw.random() < 0.3:
        turns.append(("assistant", words()))
    tools = (TOOL,) if draw.random() < 0.3 else ()
    return conversation_of(*turns, tools=tools)


def theirs(tokenizer, conversation, **more) -> list[int]:
    turns = [{"role": each.role, "content": each.content} for each in conversation.messages]
    ids = tokenizer.apply_chat_template(turns, tools=list(conversation.tools) or None, tokenize=True, **more)
    return ids if isinstance(ids, list) else ids["input_ids"]


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("option", [*OPTIONS, "roles_with_tools"])
def test_conversations_and_prompts_have_our_ids_in_transformers(tokenizers_by_name, tmp_path, option, name, capfd):
    template, ours, draw = template_of(option), tokenizers_by_name[name], random.Random(f"{option} {name}")
    exported = opened(tmp_path / "model", ours, template)
    assert not capfd.readouterr().err
    for _ in range(12):
        conversation = talk(draw, option)
        written = with_tools_as_text(conversation, template)
        assert theirs(exported, conversation) == template.encode(written, ours).tokens
        asked = Conversation(conversation.messages[:-1], tools=conversation.tools)
        prompt = template.prompt(with_tools_as_text(asked, template).messages, ours)
        assert theirs(exported, asked, add_generation_prompt=True) == prompt


def test_tool_calls_are_lines_of_json_there_too(tmp_path):
    template, ours = template_of("chatml"), tokenizer_of("ours")
    exported = opened(tmp_path / "model", ours, template)
    line = json.dumps(CALL, ensure_ascii=False)
    turns = [
        Message("user", "x?"),
        Message("assistant", f"so\n{line}\n{line}", calls=(line, line)),
        Message("tool", "4"),
    ]
    calls = [
        {"type": "function", "id": "1", "function": CALL},
        {"function": CALL | {"arguments": json.dumps(CALL["arguments"], ensure_ascii=False)}},
    ]
    given = [
        {"role": "user", "content": "x?"},
        {"role": "assistant", "content": "so", "tool_calls": calls},
        {"role": "tool", "content": "4"},
    ]
    ids = exported.apply_chat_template(given, add_generation_prompt=True, tokenize=True, return_dict=False)
    assert ids == template.prompt(turns, ours)


@pytest.mark.parametrize("option", ["chatml", "llama3", "qwen3"] if "qwen3" in IMITATED else ["chatml", "llama3"])
def test_an_imported_chat_template_is_exported_as_it_was(tmp_path, option):
    names = dict(zip(("bos_token", "eos_token"), BEGINS.get(option, ("<s>", "</s>")), strict=True))
    template, ours = ChatTemplate(option, source=IMITATED[option], names=names), foreign_tokenizer()
    exported = opened(tmp_path / "model", ours, template)
    asked = conversation_of(("user", "what?"), ("assistant", "this"), ("user", "why?"))
    assert theirs(exported, asked, add_generation_prompt=True) == template.prompt(asked.messages, ours)
    assert IMITATED[option] in (tmp_path / "model" / "chat_template.jinja").read_text()


def test_variables_of_a_template_are_set_and_can_be_given_otherwise(tmp_path):
    source = "{{ greeting }}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    source += "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    template = ChatTemplate(
        "x", source=source, names={}, variables={"greeting": "it's\n", "deep": {"a": [1, True, None]}}
    )
    exported = opened(tmp_path / "model", foreign_tokenizer(), template)
    turns, rest = [{"role": "user", "content": "x"}], "<|im_start|>user\nx<|im_end|>\n"
    assert exported.apply_chat_template(turns, tokenize=False) == "it's\n" + rest
    assert exported.apply_chat_template(turns, tokenize=False, greeting="bye") == "bye" + rest


@pytest.mark.parametrize("name", ["ours", "spaced", "llama", "gpt2", "unigram"])
def test_texts_have_our_ids_and_begin_as_our_prompts_do(tokenizers_by_name, tmp_path, name):
    ours = train_unigram(TEXT, vocab_size=290) if name == "unigram" else tokenizers_by_name[name]
    exported = opened(tmp_path / "model", ours, context=77)
    draw = random.Random(name)
    for _ in range(50):
        text = "".join(draw.choices(WORDS, k=draw.randint(0, 9)))
        assert exported.encode(text, add_special_tokens=False) == ours.encode(text)
        assert exported(text)["input_ids"] == [*ours.opening, *ours.encode(text)]
        if name == "spaced":
            continue  # made for tests, without a decoder
        assert exported.decode(ours.encode(text), skip_special_tokens=True) == text
    assert (exported.bos_token_id, exported.eos_token_id) == (ours.beginning, ours.end_of_document)
    assert (exported.pad_token_id, exported.model_max_length) == (ours.padding, 77)


def test_what_ends_a_turn_and_a_document_ends_generation(tmp_path):
    ours = tokenizer_of("ours")
    generation = json.loads(published_files(ours, template=RoleTokenTemplate())["generation_config.json"])
    assert generation["eos_token_id"] == [ours.end_of_turn, ours.end_of_document]
    assert json.loads(published_files(ours)["generation_config.json"])["eos_token_id"] == ours.end_of_document


def test_an_exported_folder_is_read_back_with_the_same_ids(tmp_path):
    ours, template = tokenizer_of("ours"), RoleTokenTemplate()
    files = published_files(ours, template=template) | {"config.json": json.dumps({"model_type": "llama"})}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    again, turns = load_tokenizer(tmp_path), [Message("user", "x"), Message("assistant", "y"), Message("user", "z")]
    assert again.special_roles["eos"] == ours.end_of_document
    assert again.ends == (ours.end_of_document, ours.end_of_turn)
    assert ChatTemplate(str(tmp_path)).prompt(turns, again) == template.prompt(turns, ours)


class Backwards(TurnTemplate):
    """A template of somebody's own that writes more than its texts say."""

    def encode(self, conversation, tokenizer):
        encoded = super().encode(conversation, tokenizer)
        return type(encoded)(encoded.tokens[::-1], encoded.supervised[::-1])


def test_a_template_with_other_ids_there_is_refused_with_a_conversation():
    given = template_of("chatml").describe()
    given.pop("_target_")
    with pytest.raises(ValueError, match=r"Backwards cannot be written as a chat_template with the same token ids"):
        published_files(tokenizer_of("ours"), template=Backwards(**given))


def test_a_template_for_programs_with_their_own_tokenizer_has_no_boundaries():
    assert "\U0010fffd" not in jinja_of(template_of("mistral"), tokenizer_of("ours"))
