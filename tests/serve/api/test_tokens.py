"""Log-probabilities have the text, the bytes and the place of each token, and are those of one forward pass."""

import codecs
from collections.abc import Iterable

import torch

from lm.serve.request import Scored, Update
from support.serving import CHAT, COMPLETIONS, HELLO, TOKENIZER, Serving, script, serving


def whole_characters(pieces: Iterable[list[int] | None]) -> str:
    """The text of bytes, without half a character at the end."""
    data = bytes(byte for piece in pieces for byte in piece or ())
    return codecs.getincrementaldecoder("utf-8")("replace").decode(data)


def scores_of(server: Serving, ids: list[int]) -> torch.Tensor:
    """Log-probabilities of the next token at each place of one forward pass."""
    with torch.inference_mode():
        return server.served[0].engine.model(torch.tensor([ids]))[0].float().log_softmax(-1)


def test_a_completion_has_the_log_probabilities_of_prompt_and_text(server: Serving):
    body = {"prompt": "hé", "max_tokens": 5, "echo": True, "logprobs": 2, "seed": 2, "ignore_eos": True}
    choice = server.ask(COMPLETIONS, body)[1]["choices"][0]
    found = choice["logprobs"]
    ids = found["ids"]
    assert ids[:-5] == [*TOKENIZER.opening, *TOKENIZER.encode("hé")]
    assert choice["text"].startswith("hé")
    assert whole_characters(found["bytes"]) == choice["text"]
    assert found["tokens"][:4] == ["<|end_of_document|>", "h", "bytes:\\xc3", "bytes:\\xa9"]
    assert found["text_offset"][:4] == [0, 0, 1, 1]  # é has two tokens
    expected = scores_of(server, ids)
    assert (found["token_logprobs"][0], found["top_logprobs"][0]) == (None, None)
    for place in range(1, len(ids)):
        own, row = found["token_logprobs"][place], expected[place - 1]
        assert abs(own - row[ids[place]].item()) < 1e-5
        top = found["top_logprobs"][place]
        assert abs(max(top.values()) - row.max().item()) < 1e-5
        assert own in top.values()  # as the client finds out whether it was the likeliest
        assert len(top) in (2, 3)
    assert [text[offset] for text, offset in zip([choice["text"]] * 2, found["text_offset"][1:3], strict=True)] == [
        "h", "é",
    ]  # fmt: skip


def test_a_prompt_is_scored_without_a_text(server: Serving):
    ids = TOKENIZER.encode("hello")
    body = {"prompt": [ids, ids[:3]], "max_tokens": 0, "echo": True, "logprobs": 1}
    status, answer = server.ask(COMPLETIONS, body)
    assert status == 200
    assert [choice["text"] for choice in answer["choices"]] == ["hello", "hel"]
    assert [len(choice["logprobs"]["tokens"]) for choice in answer["choices"]] == [5, 3]
    assert answer["usage"]["completion_tokens"] == 0


def test_the_token_that_ends_a_completion_has_its_place_and_that_of_an_answer_has_none():
    (token,) = TOKENIZER.encode("a")
    end = Update("", (TOKENIZER.end_of_document,), (Scored(TOKENIZER.end_of_document, -0.5),), reason="stop_token")
    with serving() as server:
        script(server, [Update("a", (token,), (Scored(token, -1.0),)), end])
        found = server.ask(COMPLETIONS, {"prompt": "x", "logprobs": 0})[1]["choices"][0]["logprobs"]
        assert (found["tokens"], found["token_logprobs"]) == (["a", "<|end_of_document|>"], [-1.0, -0.5])
        answer = server.ask(CHAT, {"messages": HELLO, "logprobs": True})[1]
        assert [each["token"] for each in answer["choices"][0]["logprobs"]["content"]] == ["a"]


def test_a_probability_of_zero_has_a_number_and_of_two_tokens_of_one_text_the_likelier_is_shown():
    (token,) = TOKENIZER.encode("a")
    scores = (Scored(token, float("-inf"), ((token, -0.25), (token + 1, float("-inf")))),)
    with serving() as server:
        script(server, [Update("a", (token,), scores, reason="length")])
        found = server.ask(COMPLETIONS, {"prompt": "x", "logprobs": 2})[1]["choices"][0]["logprobs"]
        other = TOKENIZER.decode([token + 1])
        assert (found["token_logprobs"], found["top_logprobs"]) == ([-9999.0], [{"a": -0.25, other: -9999.0}])


def test_tokens_of_a_stop_string_are_not_shown():
    tokens = TOKENIZER.encode("ab<e>")
    updates = [Update("ab"[n : n + 1], (token,), (Scored(token, -1.0 - n),)) for n, token in enumerate(tokens[:-1])]
    updates.append(Update("", (tokens[-1],), (Scored(tokens[-1], -9.0),), reason="stop_string"))
    with serving() as server:
        script(server, updates)
        choice = server.ask(COMPLETIONS, {"prompt": "x", "logprobs": 0})[1]["choices"][0]
        assert (choice["logprobs"]["tokens"], choice["finish_reason"]) == (["a", "b"], "stop")
        choice = server.ask(CHAT, {"messages": HELLO, "logprobs": True})[1]["choices"][0]
        assert [each["token"] for each in choice["logprobs"]["content"]] == ["a", "b"]


def test_a_conversation_has_the_log_probabilities_of_its_answer(server: Serving):
    body = {"messages": HELLO, "max_tokens": 12, "logprobs": True, "top_logprobs": 3, "seed": 4}
    answer = server.ask(CHAT, body)[1]
    (choice,) = answer["choices"]
    content = choice["logprobs"]["content"]
    assert whole_characters(each["bytes"] for each in content) == choice["message"]["content"]
    prompt = [each["id"] for each in server.ask("/tokenize", {"messages": HELLO})[1]["tokens"]]
    expected = scores_of(server, [*prompt, *(each["id"] for each in content)])
    for place, each in enumerate(content, len(prompt) - 1):
        assert abs(each["logprob"] - expected[place, each["id"]].item()) < 1e-5
        top = [one["logprob"] for one in each["top_logprobs"]]
        assert torch.allclose(torch.tensor(top), expected[place].topk(3).values, atol=1e-5)
    streamed = [
        each
        for chunk in server.stream(CHAT, body)
        for each in (chunk["choices"][0]["logprobs"] or {"content": []})["content"]
    ]
    assert streamed == content


def test_tokens_of_a_text_have_ids_text_and_bytes(server: Serving):
    status, answer = server.ask("/tokenize", {"text": "é<|user|>"})
    assert (status, answer["count"]) == (200, len(answer["tokens"]))
    assert b"".join(bytes(each["bytes"]) for each in answer["tokens"]).decode() == "é<|user|>"  # typed: text
    assert [each["id"] for each in answer["tokens"]] == TOKENIZER.encode("é<|user|>")
    turns = server.ask("/tokenize", {"messages": HELLO})[1]["tokens"]
    assert {"text": "<|user|>", "id": TOKENIZER.role_tokens["user"], "bytes": None} in turns
    assert server.refusal("/tokenize", {})[0] == 400
    assert server.refusal("/tokenize", {"text": "a", "messages": HELLO})[0] == 400
