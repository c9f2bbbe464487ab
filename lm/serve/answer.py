"""An answer in the making: its request, its text so far, its slot, and where it goes."""

from collections.abc import Callable

from lm.generation import random_generator
from lm.generation.continuation import Continuation
from lm.serve.request import Request, Scored, Update
from lm.tokenizer import Tokenizer


class Answer:
    """One request on its way through the queue and a slot.

    Args:
        request: What is asked.
        deliver: Called with each update, on the engine's thread.
        context: Context of the model, in tokens.
        unchanged_up_to: Tokens up to which the model's rotary angles hold; None if they hold at any length.
        tokenizer: The model's tokenizer.
    """

    def __init__(
        self,
        request: Request,
        deliver: Callable[[Update], None],
        *,
        context: int,
        unchanged_up_to: int | None,
        tokenizer: Tokenizer,
    ) -> None:
        self.request, self.deliver = request, deliver
        self.cancelled = self.ended = False
        self.continuation = Continuation(
            request.prompt,
            context=context,
            max_tokens=request.max_tokens,
            stop=request.stop,
            stop_tokens=tokenizer.ends if request.stop_tokens is None else request.stop_tokens,
            decode_bytes=tokenizer.decode_bytes,
        )
        self.generator = random_generator(request.seed, request.choice)
        self.slot: int | None = None
        self.filled = 0  # tokens that the slot holds
        self.reading = True  # False once the slot holds all tokens but the newest
        self.cached = 0  # tokens of the prompt that another request had read
        self.prompt_scores: list[Scored] = [Scored(request.prompt[0], None)] if request.echo else []
        self.total = len(request.prompt) + request.max_tokens
        holds = unchanged_up_to is None or len(request.prompt) > unchanged_up_to
        self.room = self.total if holds else min(self.total, unchanged_up_to)

    @property
    def unread(self) -> int:
        """Tokens that the slot does not hold yet."""
        return len(self.continuation.window) - self.filled

    def read_again(self) -> None:
        """Start over, since the text outgrows the angles by which its keys were rotated."""
        self.filled, self.reading, self.room = 0, True, self.total

    def send(self, update: Update) -> None:
        """Deliver an update, with the scores of the prompt if they wait; nothing follows the last one."""
        if self.ended:
            return
        self.ended = bool(update.reason)
        self.deliver(update)
