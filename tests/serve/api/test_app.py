"""The routes answer in OpenAI's form, and wrong requests in words."""

import json

import pytest

from lm.generation import Generator, Sampling
from support.serving import CHAT, COMPLETIONS, CONTEXT, HELLO, MODEL, TOKENIZER, Serving

CHUNK = {"id", "object", "created", "model", "system_fingerprint", "seed", "choices"}


def test_a_conversation_is_answered(server: Serving):
    status, answer = server.ask(CHAT, {"model": MODEL, "messages": HELLO, "max_tokens": 5, "seed": 3})
    assert (status, {*answer}) == (200, CHUNK | {"usage"})
    (choice,) = answer["choices"]
    assert [*choice] == ["index", "message", "logprobs", "finish_reason"]
    assert [*choice["message"]] == ["role", "content", "refusal"]  # no tool_calls rather than null
    assert (answer["object"], answer["model"], choice["logprobs"], answer["seed"]) == (
        "chat.completion",
        MODEL,
        None,
        3,
    )
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["completion_tokens"] == 5


def test_a_stream_says_what_the_whole_answer_says(server: Serving):
    body = {"messages": HELLO, "max_tokens": 20, "seed": 5, "n": 3, "stream_options": {"include_usage": True}}
    chunks = server.stream(CHAT, body)
    *those, last = chunks
    assert (last["choices"], {*last}) == ([], CHUNK | {"usage"})
    assert all(chunk["usage"] is None and len(chunk["choices"]) == 1 for chunk in those)
    del body["stream_options"]
    whole = server.ask(CHAT, body)[1]
    assert {**last["usage"], "prompt_tokens_details": None} == {**whole["usage"], "prompt_tokens_details": None}
    for choice in whole["choices"]:
        own = [chunk["choices"][0] for chunk in those if chunk["choices"][0]["index"] == choice["index"]]
        assert own[0]["delta"]["role"] == "assistant"
        assert "".join(each["delta"].get("content", "") for each in own) == choice["message"]["content"]
        assert [each["finish_reason"] for each in own] == [None] * (len(own) - 1) + [choice["finish_reason"]]
    assert {*server.stream(CHAT, {"messages": HELLO, "max_tokens": 2})[0]} == CHUNK  # usage only where it is asked for


@pytest.mark.parametrize("prompt", ["hi", ["hi", "ho"], [77, 78], [[77, 78], [90]], ""])
def test_a_prompt_is_a_text_or_token_ids_or_a_list_of_either(server: Serving, prompt):
    status, answer = server.ask(COMPLETIONS, {"model": "base", "prompt": prompt, "max_tokens": 2, "seed": 1, "n": 2})
    prompts = prompt if isinstance(prompt, list) and not isinstance(prompt[0], int) else [prompt]
    assert status == 200
    assert [choice["index"] for choice in answer["choices"]] == [*range(2 * len(prompts))]


def test_without_a_seed_one_is_drawn_with_which_the_answer_can_be_had_again(server: Serving):
    body = {"prompt": "a", "max_tokens": 10}
    first = server.ask(COMPLETIONS, body)[1]
    assert first["seed"] != server.ask(COMPLETIONS, body)[1]["seed"]
    again = server.ask(COMPLETIONS, {**body, "seed": first["seed"]})[1]
    assert again["choices"] == first["choices"]
    assert again["system_fingerprint"] == first["system_fingerprint"] == "fp_a1a1a1a1a1a1"


def test_prompts_and_texts_are_drawn_as_lm_generate_draws_its_rows(server: Serving):
    prompts = [p for p in ("a", "a", "bc") for _ in range(2)]
    tokens = [[*TOKENIZER.opening, *TOKENIZER.encode(prompt)] for prompt in prompts]
    model = server.served[0].engine.model
    expected = Generator(model, TOKENIZER).generate(tokens, sampling=Sampling(), max_tokens=8, seed=11)
    body = {"prompt": prompts[::2], "n": 2, "max_tokens": 8, "seed": 11}
    answer = server.ask(COMPLETIONS, body)[1]
    assert [choice["text"] for choice in answer["choices"]] == [each.text for each in expected]
    assert answer["usage"]["prompt_tokens"] == sum(map(len, tokens[::2]))  # a prompt counts once
    reasons = {"stop_token": "stop", "length": "length"}
    assert [choice["finish_reason"] for choice in answer["choices"]] == [reasons[each.reason] for each in expected]


def test_models_are_listed_and_found_by_name_by_its_end_and_by_path(server: Serving):
    listed = server.ask("/v1/models")[1]["data"]
    assert [(each["id"], each["max_model_len"], each["chat"]) for each in listed] == [
        (MODEL, CONTEXT, True),
        ("pretrain/base", CONTEXT, False),
    ]
    assert server.ask(f"/v1/models/{MODEL}")[1] == listed[0]
    for name in ("pretrain/base", "base", "outputs/pretrain/base"):
        assert server.ask(COMPLETIONS, {"model": name, "prompt": "a", "max_tokens": 1})[1]["model"] == "pretrain/base"


def test_a_model_that_is_not_there_is_not_found(server: Serving):
    for status, message, param, code in (
        server.refusal(COMPLETIONS, {"model": "bas", "prompt": "a"}),
        server.refusal("/v1/models/bas"),
    ):
        assert (status, param, code) == (404, "model", "model_not_found")
        assert message == "there is no model 'bas' here: the server has instruct/small, pretrain/base"


def test_a_base_model_asked_for_a_conversation_says_what_to_do(server: Serving):
    status, message, _, code = server.refusal(CHAT, {"model": "base", "messages": HELLO})
    assert (status, code) == (400, "no_chat_template")
    assert "/v1/completions" in message
    assert "lm instruct model.path=outputs/pretrain/base" in message


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({}, "prompt", "prompt: missing"),
        ({"prompt": 3}, "prompt", "a string, a list of strings, token ids or a list of lists of token ids"),
        ({"prompt": ["a", 3]}, "prompt", "a string, a list of strings, token ids"),
        ({"prompt": []}, "prompt", "empty list"),
        ({"prompt": [[]]}, "prompt", "empty list"),
        ({"prompt": [True]}, "prompt", "token ids"),
        ({"prompt": [100000]}, "prompt", "the token id 100000, and the vocabulary"),
        ({"prompt": "a", "max_tokens": -1}, "max_tokens", "greater than or equal to 0"),
        ({"prompt": "a", "max_tokens": 0}, "max_tokens", "echo=true"),
        ({"prompt": "a", "max_tokens": "5"}, "max_tokens", "integer"),
        ({"prompt": "a", "max_tokens": 5, "max_completion_tokens": 6}, "max_tokens", "mean the same"),
        ({"prompt": "a", "max_tokens": 1000}, "max_tokens", "the context of instruct/small is 64 tokens"),
        ({"prompt": "a" * 64}, None, "the prompt has 65, which leaves no room"),
        ({"prompt": "a" * 10000}, None, "10,000 characters"),
        ({"prompt": "a", "n": 0}, "n", "greater than or equal to 1"),
        ({"prompt": "a", "n": 1000}, "n", "at most 128"),
        ({"prompt": "a", "stop": ["a", ""]}, "stop", "empty string"),
        ({"prompt": "a", "stop": ["a"] * 17}, "stop", "at most 16"),
        ({"prompt": "a", "stop": 5}, "stop", "a string or a list"),
        ({"prompt": "a", "temperature": -1}, "temperature", "greater than or equal to 0"),
        ({"prompt": "a", "temperature": 1e-9}, "temperature", "try 0 or 0.8"),
        ({"prompt": "a", "top_p": 0}, "top_p", "greater than 0"),
        ({"prompt": "a", "logprobs": True}, "logprobs", "integer"),
        ({"prompt": "a", "logprobs": 21}, "logprobs", "less than or equal to 20"),
        ({"prompt": "a", "stream_options": {"include_usage": True}}, "stream_options", "stream=true"),
        ({"prompt": "a", "best_of": 3}, "best_of", "not supported"),
        ({"prompt": "a", "suffix": "b"}, "suffix", 'suffix="b" is not supported'),
        ({"prompt": "a", "logit_bias": {"5": 1}}, "logit_bias", "not supported"),
        ({"prompt": "a", "frequency_penalty": 0.5}, "frequency_penalty", "repetition_penalty"),
        ({"prompt": "a", "presence_penalty": 1}, "presence_penalty", "repetition_penalty"),
        ({"prompt": "a", "response_format": {"type": "json_object"}}, "response_format", "not supported"),
        ({"prompt": "a", "min_p": 0.1}, "min_p", "not supported"),
    ],
)  # fmt: skip
def test_a_wrong_field_of_a_completion_is_named(server: Serving, body: dict, param: str | None, words: str):
    status, message, named, _ = server.refusal(COMPLETIONS, body)
    assert (status, named) == (400, param), message
    assert words in message


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({}, "messages", "messages: missing"),
        ({"messages": []}, "messages", "at least 1 item"),
        ({"messages": "hi"}, "messages", "list"),
        ({"messages": [{"role": "usr", "content": "a"}]}, "messages[0].role", "'user'"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "no content"),
        ({"messages": [{"content": "a"}]}, "messages[0].role", "missing"),
        ({"messages": [*HELLO, {"role": "assistant", "content": "a"}]}, "messages", "continue_final_message"),
        ({"messages": [*HELLO, {"role": "system", "content": "a"}]}, "messages[1]", "before all other turns"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0]", "only text can be read"),
        ({"messages": [*HELLO, {"role": "tool", "content": "a"}]}, "messages", "template cannot write"),
        ({"messages": HELLO, "top_logprobs": 2}, "top_logprobs", "logprobs=true"),
        ({"messages": HELLO, "logprobs": 2}, "logprobs", "boolean"),
        ({"messages": HELLO, "tool_choice": "required"}, "tool_choice", "auto or none"),
        ({"messages": HELLO, "tools": [{"type": "function"}]}, "tools", "without a name"),
        ({"messages": HELLO, "parallel_tool_calls": False}, "parallel_tool_calls", "not supported"),
        ({"messages": HELLO, "response_format": {"type": "json_schema"}}, "response_format", "not supported"),
        ({"messages": HELLO, "functions": [{"name": "f"}]}, "functions", "tools"),
        ({"messages": HELLO, "modalities": ["text", "audio"]}, "modalities", "answers are text"),
        ({"messages": [{"role": "user", "content": "a" * 64}]}, None, "leaves no room"),
    ],
)  # fmt: skip
def test_a_wrong_field_of_a_conversation_is_named(server: Serving, body: dict, param: str | None, words: str):
    status, message, named, _ = server.refusal(CHAT, body)
    assert (status, named) == (400, param), message
    assert words in message


def test_unknown_fields_and_those_that_ask_for_nothing_are_ignored(server: Serving):
    nothing = {"frequency_penalty": 0, "presence_penalty": 0.0, "logit_bias": {}, "response_format": {"type": "text"}}
    more = {"user": "u", "cache_prompt": True, "metadata": {"a": 1}, "top_k": -1, "stop": None, "seed": None}
    for path, body in ((CHAT, {"messages": HELLO}), (COMPLETIONS, {"prompt": "a", "best_of": 1, "suffix": ""})):
        assert server.ask(path, {**body, "max_tokens": 1, **nothing, **more})[0] == 200


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "EOF"),
        (b"{", "EOF"),
        (b'{"prompt": "\xff"}', "unicode"),
        (b'{"prompt": "\\ud800"}', "hex escape"),
        (b'{"prompt": "a", "temperature": NaN}', "expected value"),
        (b"[" * 100_000, "recursion"),
        (b'["prompt"]', "not a JSON object"),
        (b'"' + b"a" * 100 + b'"', "not a JSON object"),
    ],
    ids=["empty", "cut off", "bad UTF-8", "half a character", "NaN", "deep", "a list", "a text"],
)
def test_a_body_that_is_no_json_object_is_refused(server: Serving, body: bytes, words: str):
    status, message, _, code = server.refusal(COMPLETIONS, body)
    assert (status, code) == (400, "invalid_json")
    assert words in message


def test_what_is_no_route_and_other_methods_are_refused(server: Serving):
    assert server.refusal("/v1/embeddings", {"input": "a"})[::3] == (404, "no_route")
    assert server.refusal("/v1/completions")[::3] == (405, "method")
    assert server.refusal("/v1/completions/", {"prompt": "a"})[0] == 404


def test_the_log_has_a_line_a_request_without_its_content(server: Serving):
    server.ask(CHAT, {"messages": [{"role": "user", "content": "secret"}], "max_tokens": 4, "ignore_eos": True})
    server.send("/x\x1b[31m".replace("\x1b", "%1b"))
    own = [line for line in server.lines if "instruct/small" in line][-1]
    assert own.startswith("POST /v1/chat/completions 200, instruct/small, ")
    assert "+ 4 tokens, " in own
    assert not any("secret" in line or "\x1b" in line for line in server.lines)
    assert server.warnings == []


def test_prometheus_reads_queue_tokens_and_times(server: Serving):
    server.ask(COMPLETIONS, {"model": "base", "prompt": "a", "max_tokens": 3, "ignore_eos": True})
    status, headers, data = server.send("/metrics")
    assert (status, headers["content-type"].partition(";")[0]) == (200, "text/plain")
    values = dict(line.rsplit(" ", 1) for line in data.decode().splitlines() if not line.startswith("#"))
    base = '{model="pretrain/base"}'
    assert float(values[f"lm_generated_tokens_total{base}"]) >= 3
    assert values[f"lm_running{base}"] == values[f"lm_waiting{base}"] == "0.0"
    assert float(values[f"lm_first_token_seconds_count{base}"]) >= 1
    assert float(values[f"lm_token_seconds_count{base}"]) >= 2
    assert float(values['lm_requests_total{path="/v1/completions",status="200"}']) >= 1


def test_the_schema_describes_the_bodies(server: Serving):
    schema = server.ask("/openapi.json")[1]
    assert {"/v1/chat/completions", "/v1/completions", "/tokenize"} <= {*schema["paths"]}
    fields = schema["components"]["schemas"]["CompletionBody"]["properties"]
    assert {"prompt", "max_tokens", "logprobs", "echo", "n"} <= {*fields}
    assert json.dumps(schema).count('"#/components/schemas/') > 3
