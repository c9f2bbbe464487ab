"""OpenAI's own client understands every answer and error."""

import json

import pytest

from lm.serve.request import Update
from support.serving import CONTEXT, MODEL, Serving, script, serving

openai = pytest.importorskip("openai", reason="OpenAI's client is a test dependency: pip install 'lightning-lm[test]'")
HELLO = [{"role": "user", "content": "hello"}]
TOOLS = [{"type": "function", "function": {"name": "add"}}]


@pytest.fixture(scope="module")
def client(server: Serving):
    with openai.OpenAI(base_url=f"{server.server.url}/v1", api_key="none", max_retries=0) as made:
        yield made


def test_the_client_gets_a_conversation_whole_and_as_a_stream(client):
    given = {"model": MODEL, "messages": HELLO, "max_completion_tokens": 20, "seed": 7, "n": 2, "logprobs": True}
    whole = client.chat.completions.create(**given, top_logprobs=2)
    stream = client.chat.completions.create(**given, stream=True, stream_options={"include_usage": True})
    texts, reasons, tokens, usage = ["", ""], ["", ""], [[], []], None
    for chunk in stream:
        usage = chunk.usage
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            reasons[choice.index] = choice.finish_reason
            tokens[choice.index] += choice.logprobs.content if choice.logprobs else []
    assert texts == [choice.message.content for choice in whole.choices]
    assert reasons == [choice.finish_reason for choice in whole.choices]
    for choice, streamed in zip(whole.choices, tokens, strict=True):
        assert [each.logprob for each in streamed] == [each.logprob for each in choice.logprobs.content]
        assert all(len(each.top_logprobs) == 2 for each in choice.logprobs.content)
    assert usage.model_copy(update={"prompt_tokens_details": None}) == whole.usage.model_copy(
        update={"prompt_tokens_details": None}
    )
    assert whole.choices[0].message.tool_calls is None
    assert whole.model_extra["seed"] == 7


def test_the_client_gets_completions_of_every_kind_of_prompt(client):
    for prompt, count in (("hi", 1), (["hi", "ho"], 2), ([77, 78], 1), ([[77], [78]], 2)):
        answer = client.completions.create(model="base", prompt=prompt, max_tokens=3, echo=True, logprobs=1, seed=1)
        assert len(answer.choices) == count
        assert all(choice.logprobs.token_logprobs[0] is None for choice in answer.choices)
    streamed = client.completions.create(model="base", prompt="hi", max_tokens=3, stream=True, seed=1, echo=True)
    (whole,) = client.completions.create(model="base", prompt="hi", max_tokens=3, seed=1, echo=True).choices
    assert "".join(chunk.choices[0].text for chunk in streamed) == whole.text
    assert whole.text.startswith("hi")


def test_the_client_lists_models(client):
    assert [each.id for each in client.models.list()] == [MODEL, "pretrain/base"]
    assert client.models.retrieve(MODEL).model_extra["max_model_len"] == CONTEXT


@pytest.mark.parametrize(
    ("error", "given", "code"),
    [
        (openai.NotFoundError, {"model": "gpt-4"}, "model_not_found"),
        (openai.BadRequestError, {"model": "base"}, "no_chat_template"),
        (openai.BadRequestError, {"max_tokens": 1000}, "context_length_exceeded"),
        (openai.BadRequestError, {"logit_bias": {"1": 1}}, "unsupported_parameter"),
        (openai.BadRequestError, {"temperature": "hot"}, "invalid_type"),
    ],
)
def test_the_client_raises_errors_of_their_kind(client, error: type[Exception], given: dict, code: str):
    with pytest.raises(error) as raised:
        client.chat.completions.create(**{"model": MODEL, "messages": HELLO, **given})
    assert raised.value.code == code


def test_the_client_raises_on_a_key_a_full_queue_and_an_error_amid_a_stream():
    with serving(key="correct-horse") as server:
        url = f"{server.server.url}/v1"
        with openai.OpenAI(base_url=url, api_key="wrong-key", max_retries=0) as client:
            with pytest.raises(openai.AuthenticationError):
                client.models.list()
            client.api_key = "correct-horse"
            script(server, [Update("a"), Update("", reason="failed", error="no memory")])
            stream = client.completions.create(model=MODEL, prompt="x", stream=True)
            assert next(stream).choices[0].text == "a"
            with pytest.raises(openai.APIError, match="no memory"):
                next(stream)


def test_the_client_gets_calls_of_tools_and_sends_their_results():
    call = {"name": "add", "arguments": {"a": 1}}
    with serving() as server, openai.OpenAI(base_url=f"{server.server.url}/v1", api_key="-", max_retries=0) as client:
        script(server, [Update(json.dumps(call)), Update("", reason="stop_token")])
        create = client.chat.completions.create
        message = create(model=MODEL, messages=HELLO, tools=TOOLS, max_tokens=5).choices[0].message
        (made,) = message.tool_calls
        assert (message.content, made.function.name, json.loads(made.function.arguments)) == (None, "add", {"a": 1})
        with client.chat.completions.stream(model=MODEL, messages=HELLO, tools=TOOLS, max_tokens=5) as stream:
            final = stream.get_final_completion().choices[0]
        assert (final.finish_reason, final.message.tool_calls[0].function.name) == ("tool_calls", "add")
