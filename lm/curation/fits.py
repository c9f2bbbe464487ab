"""What a model can take whole: to choose what training then leaves out is to choose less than it seems."""

from lm.checkpoint.checkpoint import context_of
from lm.conversation import Conversation, Recorded, Template
from lm.corpus import Dropped
from lm.curation.rule import EachRule
from lm.tokenizer import Tokenizer


class Fits(EachRule):
    """Conversations of no more tokens to predict than the context of the trained model at `path`.

    They are counted as they are written for it: in the `template`, else the recorded one, else a token for each role.
    """

    def __init__(
        self, path: str, *, tokenizer: Tokenizer, template: Template | None = None, recorded: Recorded | None = None
    ):
        self.context, self.tokenizer = context_of(path), tokenizer
        self.template = (recorded or Recorded(None)).resolve(template)

    def judge(self, conversation: Conversation) -> Dropped | None:
        tokens = len(self.template.encode(conversation, self.tokenizer).tokens) - 1
        if tokens > self.context:
            return Dropped("longer than the context", f"{tokens} tokens to predict, more than {self.context}")
        return None
