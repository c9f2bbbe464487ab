"""A hint for an unknown role never turns answers into questions, and works when it is copied."""

import pytest

from lm.conversation.sources.roles import suggested_role
from support.conversation_sources import source, turns, written


@pytest.mark.parametrize(
    ("name", "role"),
    [
        *((name, "assistant") for name in ("Assistant", "ASSISTANT", "chatgpt", "bot", "gpt", "gpt-4", "GPT4")),
        *((name, "assistant") for name in ("model", "ai", "AI", "Claude", "gpt-3.5-turbo", "chatbot", "tool_call")),
        *((name, "system") for name in ("developer", "System", "SYSTEM")),
        *((name, "user") for name in ("Human", "prompter", "User", "human", "customer", "user 1")),
        *((name, "tool") for name in ("function", "observation", "ipython", "tool_response", "Tool")),
        *((name, None) for name in ("narrator", "x", "", "7", "Ada", "thinking")),
    ],
)  # fmt: skip
def test_names_that_leave_no_doubt_have_a_role_and_no_other_has(name, role):
    assert suggested_role(name) == role


def talk(*names: object) -> dict:
    return {"messages": [{"role": name, "content": "x"} for name in names]}


@pytest.mark.parametrize("option", ["messages", "auto"])
@pytest.mark.parametrize(
    ("names", "hint"),
    [
        (("User", "Assistant"), "role 'User' is unknown: name its role: +data.conversations.roles.User=user "
         "+data.conversations.roles.Assistant=assistant, or remove"),
        (("developer", "user", "assistant"), "+data.conversations.roles.developer=system, or"),
        (("user", "chatgpt"), "turn 2: role 'chatgpt' is unknown: name its role: "
         "+data.conversations.roles.chatgpt=assistant, or"),
        (("user", "GPT 4"), "'+data.conversations.roles={GPT 4: assistant}', or"),
        (("用户", "助手"), "rename it in the file (用户: user, 助手: assistant), or"),
        (("user", "narrator"), "role 'narrator' is unknown: say who speaks, with system, user, assistant or tool for "
         "ROLE: +data.conversations.roles.narrator=ROLE, or"),
        (("user", None), "role None is unknown: a role is the name of a speaker"),
    ],
)  # fmt: skip
def test_the_hint_names_every_unknown_role_of_the_conversation(tmp_path, option, names, hint):
    with pytest.raises(ValueError, match=r"a\.jsonl:1, turn \d: role ") as refused:
        list(source(option, written(tmp_path / "a.jsonl", talk(*names))))
    assert hint in str(refused.value)


def test_the_roles_of_the_hint_are_known_to_the_detected_layout(tmp_path):
    path = written(tmp_path / "a.jsonl", talk("developer", "User", "Assistant"))
    read = source("auto", path, roles={"developer": "system", "User": "user", "Assistant": "assistant"})
    assert [turn.role for turn in turns(read)[0]] == ["system", "user", "assistant"]
    said = {"conversations": [{"from": "human", "value": "hi"}, {"from": "bot", "value": "ho"}]}
    path = written(tmp_path / "b.jsonl", said)
    with pytest.raises(ValueError, match=r"\+data\.conversations\.roles\.bot=assistant"):
        list(source("auto", path))
    read = source("auto", path, roles={"bot": "assistant"})
    assert [turn.role for turn in turns(read)[0]] == ["user", "assistant"], "beside the roles of sharegpt"
