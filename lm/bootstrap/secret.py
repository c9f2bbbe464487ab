"""An API key from the environment: checked before it is sent, and replaced in whatever is shown or kept."""

import json
import os
import re
from html import escape
from urllib.parse import quote, urlsplit

VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
SURE = 8  # characters from which a key cannot be a word of a text, as `none` or `EMPTY` of local endpoints can
EXCERPT = 300  # characters of an answer that are shown


def checked_variable(name: str) -> str:
    """The name of an environment variable; ValueError, which does not show it, if it may be the secret itself."""
    if not VARIABLE.fullmatch(name):
        raise ValueError("give the name of an environment variable, in capitals as OPENAI_API_KEY, and never a secret")
    return name


class Secret:
    """A secret, and the name by which it is shown.

    Args:
        name: What is shown instead of it, such as the name of the environment variable.
        value: The secret; "" if there is none.
    """

    def __init__(self, name: str, value: str):
        self.name, self.value = name, value

    def __repr__(self) -> str:
        return f"Secret({self.name})"

    @classmethod
    def key_in(cls, variable: str | None) -> "Secret":
        """The API key in an environment variable; none if the name is null or the variable is not set.

        Raises:
            ValueError: If no header of HTTP can hold the key.
        """
        value = os.environ.get(variable, "") if variable else ""
        for character in value:
            if not "!" <= character <= "~":
                raise ValueError(
                    f"{variable} contains {_named(character)}, which an API key cannot contain; set it again from the "
                    f"key alone, as in export {variable}=\"$(tr -d '[:space:]' < FILE)\""
                )
        return cls(variable or "", value)

    def removed_from_reply(self, text: str) -> str:
        """A reply without the key; a key too short to differ from a word stays."""
        return self.removed_from(text) if len(self.value) >= SURE else text

    def removed_from(self, text: str) -> str:
        """The text with the secret replaced by its name, also as JSON, URLs and HTML write it."""
        if not self.value:
            return text
        written = {
            self.value,
            json.dumps(self.value)[1:-1],
            self.value.replace("/", "\\/"),
            quote(self.value),
            quote(self.value, safe=""),
            escape(self.value),
        }
        forms = "|".join(re.escape(each) for each in sorted(written, key=len, reverse=True))
        whole = forms if len(self.value) >= SURE else rf"(?<!\w)(?:{forms})(?!\w)"
        return re.sub(whole, f"[{self.name}]", text, flags=re.IGNORECASE)


def excerpt(text: str, *secrets: Secret) -> str:
    """The beginning of a text from elsewhere as one printable line without the secrets."""
    text = text.replace("\0", "")  # UTF-16 read as UTF-8
    for secret in secrets:
        text = secret.removed_from(text)
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return line if len(line) <= EXCERPT else f"{line[:EXCERPT]} …"


def password_of(name: str, url: str) -> Secret:
    """The password in a URL, which `name` names."""
    return Secret(name, urlsplit(url).password or "")


def _named(character: str) -> str:
    if character in "\r\n":
        return "a line end"
    if character.isspace():
        return "a blank"
    return "a control character" if character < "\x80" else "a character outside ASCII"
