"""Which tokens begin, end and pad texts: those of a published model where a tokenizer.json carries them, else ours."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

END_OF_DOCUMENT = "<|end_of_document|>"
PADDING = "<|padding|>"
END_OF_TURN = "<|end_of_turn|>"
ROLES = {"system": "<|system|>", "user": "<|user|>", "assistant": "<|assistant|>"}
SPECIAL_TOKENS = (END_OF_DOCUMENT, PADDING, *ROLES.values(), END_OF_TURN)  # a tokenizer.json has them by these names
TURN_TOKENS = (*ROLES.values(), END_OF_TURN)

KEY = "roles"  # within "model" of a tokenizer.json; other readers ignore it


@dataclass(frozen=True)
class Roles:
    """The special tokens of a vocabulary by what they do, each by its name.

    Args:
        beginning: Stands before a text: the bos_token, or the end of a document where a model has none.
        ends: End a text; the first ends a document, any of them ends what a model generates.
        padding: Fills rows.
        unknown: Written for what the vocabulary lacks; None if there is none.
        opens: Whether a prompt begins with `beginning`. Some models are prompted with their text alone.
        vocab_size: Rows of the model's embedding, which may be more than the tokens; 0 for as many.
        added: Turn tokens that were added to a published vocabulary, which its model has never read.
    """

    beginning: str = END_OF_DOCUMENT
    ends: Sequence[str] = (END_OF_DOCUMENT,)
    padding: str = PADDING
    unknown: str | None = None
    opens: bool = True
    vocab_size: int = 0
    added: Sequence[str] = field(default=())

    @property
    def names(self) -> list[str]:
        """The tokens, each once; further ends may be tokens of text."""
        return [*dict.fromkeys(filter(None, [self.beginning, self.ends[0], self.padding, self.unknown]))]


OWN = Roles()


def roles_of(description: Mapping[str, Any]) -> Roles | None:
    """Return the roles that a parsed tokenizer.json carries; None if it has our special tokens."""
    carried = description["model"].get(KEY)
    return Roles(**carried) if carried else None


def with_roles(content: str, roles: Roles) -> str:
    """Return a tokenizer.json that carries roles, whose tokens are special."""
    description = json.loads(content)
    for token in description["added_tokens"]:
        token["special"] = token["special"] or token["content"] in (*roles.names, *roles.ends)
    model = description["model"] | {KEY: asdict(roles)}
    return json.dumps(description | {"model": model}, ensure_ascii=False)  # with an indent it takes ten times as long
