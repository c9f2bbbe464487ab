"""The roles that files call by other names, and what to suggest for one that is not known."""

import re
from collections.abc import Iterable, Mapping

from lm.conversation.conversation import ROLES

USUAL = {  # role → names that leave no doubt
    "assistant": {
        "ai", "assistant", "bot", "chatbot", "chatgpt", "gpt", "model", "llm", "bard", "bing", "claude", "gemini",
        "llama", "mistral", "qwen", "deepseek", "answer", "response", "agent", "assistent", "asistente", "助手",
        "function_call", "tool_call", "tool_calls",
    },
    "user": {
        "user", "human", "prompter", "person", "customer", "client", "question", "asker", "instruction", "prompt",
        "usuario", "benutzer", "用户",
    },
    "system": {"system", "developer", "sys", "system_prompt", "系统"},
    "tool": {
        "tool", "function", "observation", "ipython", "tool_response", "function_response", "tool_result",
        "tool_output", "function_result", "execution",
    },
}  # fmt: skip
WORD, PHRASE = re.compile(r"[A-Za-z_][\w-]*\Z", re.ASCII), re.compile(r"[A-Za-z_][\w. -]*\Z", re.ASCII)


def known_roles(names: dict[str, str] | None) -> dict[str, str]:
    """Return the role of each name that a file uses: the roles under their own names, and those in `names`.

    Raises:
        ValueError: A name stands for a role that does not exist.
    """
    roles = {role: role for role in ROLES} | (names or {})
    if unknown := sorted(set(roles.values()) - set(ROLES)):
        raise ValueError(f"data.conversations.roles: {unknown[0]!r} is not one of {', '.join(ROLES)}")
    return roles


def suggested_role(name: str) -> str | None:
    """Return the role that a name stands for, as assistant for `ChatGPT`; None where that is in doubt."""
    word = name.strip().lower().replace("-", "_").replace(" ", "_")
    stem = re.match(r"[^\W\d_]*", word)[0]
    for candidate in (word, stem):
        for role, names in USUAL.items():
            if candidate in names:
                return role
    return None


def role_fault(role: object, names: Iterable[object], known: Mapping[str, str]) -> str:
    """Return why a role is refused, with the options that make all roles of its conversation known.

    Args:
        role: The name that is not known.
        names: Names of all speakers of the conversation.
        known: Names that are known.
    """
    unknown = dict.fromkeys(name for name in names if isinstance(name, str) and name not in known)
    if not isinstance(role, str) or not role.strip():
        return f"role {role!r} is unknown: a role is the name of a speaker, as user"
    chosen = {name: suggested_role(name) for name in unknown}
    if doubtful := [name for name, found in chosen.items() if found is None]:
        choices = f"{', '.join(ROLES[:-1])} or {ROLES[-1]}"
        remedy = f"say who speaks, with {choices} for ROLE: {_options({doubtful[0]: 'ROLE'})}"
        return f"role {doubtful[0]!r} is unknown: {remedy}, or remove the conversation"
    return f"role {role!r} is unknown: name its role: {_options(chosen)}, or remove the conversation"


def _options(chosen: Mapping[str, str]) -> str:
    """What makes names known: options for a command line, which takes no name with other characters."""
    if all(map(WORD.match, chosen)):
        return " ".join(f"+data.conversations.roles.{name}={role}" for name, role in chosen.items())
    roles = ", ".join(f"{name}: {role}" for name, role in chosen.items())
    if all(map(PHRASE.match, chosen)):
        return f"'+data.conversations.roles={{{roles}}}'"
    return f"rename it in the file ({roles})"
