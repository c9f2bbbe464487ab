"""A published model's folder is prompted with the ids of transformers, whatever its kind of tokenizer."""

import random

import pytest
import tokenizers
from tokenizers import AddedToken

from lm.conversation import MaskValidator, Message, RecordedTemplate
from lm.conversation.export import expressed
from lm.tokenizer import check_exported, load_tokenizer
from support.published import gemma_backend, gpt2_backend, llama_backend, metaspace_backend, write_folder
from support.talks import OPTIONS, conversation_of, template_of

TURNS = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
TURNS += "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
INST = "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}{{ '[INST] ' + m.content + ' [/INST]' }}"
INST += "{% else %}{{ ' ' + m.content + eos_token }}{% endif %}{% endfor %}"
LLAMA = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
GPT2 = {"eos_token": "<|endoftext|>"}
WORDS = [
    "what",
    " does",
    "the",
    "?",
    "Once upon",
    "a",
    "é",
    " 日本",
    "🙂",
    "x y",
    "42",
    "\n\nb",
    "</s>",
    "<|im_end|>",
    "[INST]",
]
MARKS, INSTS = ("<|im_start|>", "<|im_end|>"), ("[INST]", "[/INST]")


def marked(backend, special, **flags) -> tokenizers.Tokenizer:
    grown = tokenizers.Tokenizer.from_str(backend.to_str())
    grown.add_special_tokens([AddedToken(token, normalized=False, **flags) for token in special])
    return grown


CASES = {
    "byte-level": (lambda: marked(gpt2_backend(), MARKS), GPT2, TURNS),
    "sentencepiece": (lambda: marked(llama_backend(), MARKS), LLAMA, TURNS),
    "sentencepiece, words in brackets": (llama_backend, LLAMA, INST),
    "sentencepiece, brackets": (lambda: marked(llama_backend(), INSTS), LLAMA, INST),
    "space at the beginning only": (lambda: marked(metaspace_backend("first"), MARKS), LLAMA, TURNS),
    "space at the beginning only, brackets": (lambda: marked(metaspace_backend("first"), INSTS), LLAMA, INST),
    "no space": (lambda: marked(gemma_backend(), MARKS), LLAMA, TURNS),
    "tokens that swallow blanks after them": (lambda: marked(llama_backend(), MARKS, rstrip=True), LLAMA, TURNS),
    "tokens that swallow blanks before them": (lambda: marked(gpt2_backend(), MARKS, lstrip=True), GPT2, TURNS),
}


def folder_of(path, case, **more):
    backend, names, template = CASES[case]
    settings = names | {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": template}
    return write_folder(path, backend(), tokenizer=settings | more)


def talk(draw: random.Random):
    def words() -> str:
        return "".join(draw.choices(WORDS[:-3], k=draw.randint(1, 5))).strip()

    turns = [("user", words())]
    for _ in range(draw.randint(0, 2)):
        turns += [("assistant", words()), ("user", words())]
    return conversation_of(*turns)


@pytest.mark.parametrize("case", CASES)
def test_prompts_equal_those_of_transformers_and_are_prefixes_of_training_rows(tmp_path, case):
    transformers = pytest.importorskip("transformers")
    folder, draw = folder_of(tmp_path, case), random.Random(case)
    ours, theirs = load_tokenizer(folder), transformers.AutoTokenizer.from_pretrained(folder)
    template = RecordedTemplate(str(folder)).resolve(None)
    validator = MaskValidator(template, ours)
    for _ in range(25):
        asked = talk(draw)
        turns = [{"role": each.role, "content": each.content} for each in asked.messages]
        prompt = template.prompt(asked.messages, ours)
        options = {"add_generation_prompt": True, "tokenize": True, "return_dict": False}
        assert prompt == theirs.apply_chat_template(turns, **options)
        answered = conversation_of(
            *[(each.role, each.content) for each in asked.messages], ("assistant", "\n it is.\n")
        )
        encoded = template.encode(answered, ours)
        assert encoded.tokens[: len(prompt)] == prompt
        validator.check(encoded, answered)


@pytest.mark.parametrize("case", CASES)
def test_a_published_template_is_exported_again_as_it_was(tmp_path, case):
    folder = folder_of(tmp_path, case)
    ours, template = load_tokenizer(folder), RecordedTemplate(str(folder)).resolve(None)
    assert expressed(template, ours) == (CASES[case][2], False)  # which compares ids
    check_exported(ours)


@pytest.mark.parametrize("case", CASES)
def test_typed_special_tokens_stay_text(tmp_path, case):
    folder = folder_of(tmp_path, case)
    ours, template = load_tokenizer(folder), RecordedTemplate(str(folder)).resolve(None)
    plain, typed = (template.prompt([Message("user", text)], ours) for text in ("x", "x " + " ".join(WORDS[-3:])))
    special = {*ours.special_tokens.values()} - {ours.special_roles.get("unk")}
    assert [token for token in typed if token in special] == [token for token in plain if token in special]


@pytest.mark.parametrize("case", ["space at the beginning only", "tokens that swallow blanks after them", "no space"])
@pytest.mark.parametrize("option", OPTIONS)
def test_our_templates_can_be_exported_with_any_tokenizer(tmp_path, case, option):
    ours = load_tokenizer(folder_of(tmp_path, case), turn_tokens=True)
    source, _ = expressed(template_of(option), ours)  # which compares ids
    assert "for message in turns" in source


def test_what_ends_a_turn_or_a_text_of_the_model_ends_a_reply(tmp_path):
    folder = folder_of(tmp_path, "byte-level")
    (folder / "generation_config.json").write_text('{"eos_token_id": [302, 5, 300]}')
    ours = load_tokenizer(folder)
    assert [ours.special_tokens[name] for name in ("<|im_end|>", "<|endoftext|>")] == [302, 300]
    assert RecordedTemplate(str(folder)).resolve(None).stop_tokens(ours) == [302, 300]
