"""Tool calls reach a chat_template in the form that it reads; what it writes is learned up to its own end of turn."""

import json
import random

import pytest

from lm.conversation import ChatTemplate, Conversation, MaskValidator, Message
from lm.conversation.tool_calls import calls_of, parsed_calls
from support.foreign import foreign_backend, foreign_tokenizer
from support.talks import conversation_of, template_of, text_of

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|call|>", "<|result|>", "[CALLS]", "<|user|>", "<|tool|>",
           "<|assistant|>")  # fmt: skip
HEAD = "{%- for m in messages -%}{%- if m.tool_calls -%}"
REST = """\
{%- else -%}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"""


def lines(arguments: str, before: str = "m.content") -> str:
    """A template that writes calls as Qwen2.5 does, with arguments as given."""
    return HEAD + (
        "{{ '<|im_start|>assistant\\n' + " + before + " }}{%- for call in m.tool_calls -%}"
        "{{ '\\n<tool_call>{\"name\": \"' + call.function.name + '\", \"arguments\": ' }}"
        + arguments + "{{ '}</tool_call>' }}"
        "{%- endfor -%}{{ '<|im_end|>\\n' }}"
    ) + REST  # fmt: skip


SOURCES = {
    "an object as JSON": lines("{{ call.function.arguments | tojson }}"),
    "an object or text": lines(
        "{{ call.function.arguments if call.function.arguments is string else call.function.arguments | tojson }}"
    ),
    "text put together": lines("{{ '' + call.function.arguments }}"),
    "text printed": lines("{{ call.function.arguments }}"),
    "no content is none": lines("{{ call.function.arguments | tojson }}", "('' if m.content is none else m.content)"),
    "the end of a call is its own": HEAD
    + (
        "{%- set call = m.tool_calls[0].function -%}"
        "{{ '<|im_start|>assistant\\n' + m.content + ' to=' + call.name + ' ' + call.arguments | tojson + '<|call|>' }}"
    )
    + REST.replace(
        "{%- else -%}",
        "{%- elif m.role == 'tool' -%}"
        "{%- if not messages[loop.index0 - 1].tool_calls -%}{{ raise_exception('no call before') }}{%- endif -%}"
        "{{ '<|result|>' + m.name + ' ' + m.content + '<|im_end|>' }}{%- else -%}",
    ),
    "ids, as Mistral": HEAD
    + (
        "{{ '<|im_start|>assistant\\n' + m.content + '[CALLS]' }}{%- for call in m.tool_calls -%}"
        "{%- if call.id | length != 9 -%}{{ raise_exception('ids have 9 characters') }}{%- endif -%}"
        "{{ call.function | tojson + call.id }}{%- endfor -%}{{ '<|im_end|>\\n' }}"
    )
    + REST.replace("m.role + '\\n'", "m.role + (m.tool_call_id if m.role == 'tool' else '') + '\\n'"),
    "keys and values apart, no end of turn": HEAD
    + (
        "{{ '<|assistant|>' + m.content }}{%- for call in m.tool_calls -%}{{ '\\ncall ' + call.function.name }}"
        "{%- for key, value in call.function.arguments.items() -%}"
        "{{ '\\n' + key + '=' + (value if value is string else value | tojson) }}{%- endfor -%}{%- endfor -%}"
        "{%- else -%}{{ '<|' + m.role + '|>' + m.content }}{%- endif -%}{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{ '<|assistant|>' }}{%- endif -%}"
    ),
}
TEXT_FORMS = ("text put together", "text printed")
WORDS = ["what", " does", "\n", '"', "\\", "é", "日本", "<|im_end|>", "<|call|>", "<|user|>", "{}", "'", " x"]


def called(*calls: dict, words: str = "", **more) -> Message:
    written = tuple(json.dumps(call, ensure_ascii=False) for call in calls)
    return Message("assistant", "\n".join([*filter(None, [words]), *written]), calls=written, **more)


CALL = called({"name": "weather", "arguments": {"city": "Kraków", "days": 2}})
TURNS = (Message("user", "hot?"), CALL, Message("tool", "20"), Message("assistant", "no"))


def tokenizer():
    return foreign_tokenizer(*SPECIAL)


@pytest.mark.parametrize("option", SOURCES)
def test_calls_are_written_as_transformers_writes_them_and_learned_up_to_their_end(option):
    transformers = pytest.importorskip("transformers")
    template, source = ChatTemplate("t", source=SOURCES[option]), SOURCES[option]
    theirs = transformers.PreTrainedTokenizerFast(tokenizer_object=foreign_backend(*SPECIAL))
    arguments = {"city": "Kraków", "days": 2}
    function = {"name": "weather", "arguments": json.dumps(arguments, ensure_ascii=False)}
    function |= {} if option in TEXT_FORMS else {"arguments": arguments}
    call = {"type": "function", "id": "call00001", "function": function}
    turns = [
        {"role": "user", "content": "hot?"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "name": "weather", "tool_call_id": "call00001", "content": "20"},
        {"role": "assistant", "content": "no"},
    ]
    expected = theirs.apply_chat_template(turns, chat_template=source, tokenize=False)
    encoded = template.encode(Conversation(TURNS), tokenizer())
    ended = {"keys and values apart, no end of turn": "<|user|>"}.get(option, "")
    assert text_of(encoded.tokens, tokenizer()) == expected + ended
    MaskValidator(template, tokenizer()).check(encoded, Conversation(TURNS))
    prompt = theirs.apply_chat_template(turns[:1], chat_template=source, tokenize=False, add_generation_prompt=True)
    assert text_of(template.prompt(TURNS[:1], tokenizer()), tokenizer()) == prompt
    learned = [token for token, taken in zip(encoded.tokens, encoded.supervised, strict=True) if taken]
    stops = [name for name in map(name_of, learned) if name in ("<|im_end|>", "<|call|>", "<|user|>", "<|tool|>")]
    assert stops == {"the end of a call is its own": ["<|call|>", "<|im_end|>"]}.get(
        option, ["<|tool|>", "<|user|>"] if ended else ["<|im_end|>"] * 2
    )
    assert {tokenizer().special_tokens[name] for name in stops} <= {*template.stop_tokens(tokenizer())}


def name_of(token: int) -> str:
    return next((name for name, number in tokenizer().special_tokens.items() if number == token), "")


@pytest.mark.parametrize("option", SOURCES)
def test_the_mask_is_valid_for_arguments_that_imitate_special_tokens(option):
    template, draw = ChatTemplate("t", source=SOURCES[option]), random.Random(option)
    validator = MaskValidator(template, tokenizer())

    def words() -> str:
        return "".join(draw.choices(WORDS, k=draw.randint(1, 6))) + "."

    for _ in range(12):
        turns = [Message("user", words())]
        for _ in range(draw.randint(1, 3)):
            arguments = {words(): words(), "n": draw.choice([1, 2.5, [True, None], {"k": words()}])}
            call = called({"name": "f", "arguments": arguments}, words=draw.choice(["", words()]))
            turns += [call, Message("tool", words()), Message("assistant", words())]
        conversation = Conversation(tuple(turns), place="c:1")
        for part in template.parts(conversation, tokenizer()):
            encoded = template.encode(part, tokenizer())
            validator.check(encoded, part)
            assert sum(encoded.supervised) > 2


def test_a_template_without_calls_and_a_named_one_write_them_as_json():
    plain = ChatTemplate("t", source=REST.replace("{%- else -%}", "{%- for m in messages -%}").replace("{%- endif -%}\n{%- endfor", "{%- endfor", 1))  # fmt: skip  # noqa: E501
    for template in (plain, template_of("chatml")):
        assert not template.writes_calls
        text = text_of(template.encode(Conversation(TURNS), tokenizer()).tokens, tokenizer())
        assert (
            '<|im_start|>assistant\n{"name": "weather", "arguments": {"city": "Kraków", "days": 2}}<|im_end|>' in text
        )


def test_a_template_that_leaves_out_part_of_a_call_is_refused_by_turn():
    source = lines("{{ {'probe_key': 'probe_value'} | tojson }}")
    with pytest.raises(ValueError, match=r"turn 2: .* 'city' .*conversation@data\.template=chatml, which writes calls"):
        ChatTemplate("t", source=source).encode(Conversation(TURNS), tokenizer())


def test_words_before_a_call_that_a_template_drops_are_refused():
    turns = (TURNS[0], called({"name": "f", "arguments": {}}, words="let me see"), *TURNS[2:])
    source = lines("{{ call.function.arguments | tojson }}", "''")
    with pytest.raises(ValueError, match=r"turn 2: .* does not write the content of the assistant turn"):
        ChatTemplate("t", source=source).encode(Conversation(turns), tokenizer())


def test_thoughts_before_a_call_are_learned_or_their_loss_is_refused():
    turns = (TURNS[0], called({"name": "f", "arguments": {}}, reasoning="hm"), *TURNS[2:])
    for before, refused in (("m.content", True), ("'<think>' + m.reasoning_content + '</think>'", False)):
        source = lines("{{ call.function.arguments | tojson }}", before)
        template = ChatTemplate("t", source=source.replace("m.reasoning_content", "(m.reasoning_content or '')"))
        if refused:
            with pytest.raises(ValueError, match=r"turn 2: .* leaves out 'hm' of this tool call"):
                template.encode(Conversation(turns), tokenizer())
        else:
            encoded = template.encode(Conversation(turns), tokenizer())
            MaskValidator(template, tokenizer()).check(encoded, Conversation(turns))


def test_without_an_end_of_turn_the_opening_of_the_next_turn_is_the_stop():
    """As GLM-4.5: the model stops at <|user|>."""
    template = ChatTemplate("t", source=SOURCES["keys and values apart, no end of turn"])
    talk = conversation_of(("user", "hi"), ("assistant", "yes"), ("user", "why?"), ("assistant", "so"))
    encoded = template.encode(talk, tokenizer())
    MaskValidator(template, tokenizer()).check(encoded, talk)
    assert text_of(encoded.tokens, tokenizer()) == "<|user|>hi<|assistant|>yes<|user|>why?<|assistant|>so<|user|>"
    learned = [token for token, taken in zip(encoded.tokens, encoded.supervised, strict=True) if taken]
    assert text_of(learned, tokenizer()) == "yes<|user|>so<|user|>"
    assert template.stop_tokens(tokenizer())[0] == tokenizer().special_tokens["<|user|>"]
    assert text_of(template.prompt(talk.messages[:3], tokenizer()), tokenizer()).endswith("<|user|>why?<|assistant|>")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"name": "f", "arguments": {"x": 1}}', [{"name": "f", "arguments": {"x": 1}}]),
        ('{"name": "f", "arguments": "{\\"x\\": 1}"}', [{"name": "f", "arguments": {"x": 1}}]),
        ('[{"function": {"name": "f", "parameters": {}}}]', [{"name": "f", "arguments": {}}]),
        ("the weather", []),
        ('{"city": "f"}', []),
        ("1", []),
    ],
)
def test_calls_are_read_from_json_of_one_call_or_a_list(line, expected):
    assert parsed_calls(line) == expected
    assert calls_of(Message("assistant", line, calls=(line,))) == expected
