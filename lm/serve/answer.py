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
        self.request, self.deliver, self.prompt = request, deliver, [*request.prompt]
        self.cancelled = self.ended = False
        self.continuation = Continuation(
            self.prompt,
            context=context,
            max_tokens=request.max_tokens,
            stop=request.stop,
            stop_tokens=tokenizer.ends if request.stop_tokens is None else request.stop_tokens,
            decode_bytes=tokenizer.decode_bytes,
        )
        self.generator = random_generator(request.seed, request.choice)
        self.slot: int | None = None
        self.number = 0  # place in the order of admission
        self.begun = False  # whether reading has begun
        self.reading = True  # False while tokens are written
        self.again = False  # whether a text that outgrew its angles is read a second time
        self.filled = 0  # tokens that the slot holds
        self.cached = 0  # tokens of the prompt that another answer had read
        self.prompt_scores: list[Scored] = [Scored(self.prompt[0], None)] if request.echo else []
        self.total = len(self.prompt) + request.max_tokens
        holds = unchanged_up_to is None or len(self.prompt) > unchanged_up_to
        self.room = self.total if holds else min(self.total, unchanged_up_to)
        self.angles = None if unchanged_up_to is None or self.room <= unchanged_up_to else self.room

    @property
    def unread(self) -> int:
        """Tokens that the slot does not hold yet."""
        return len(self.continuation.window) - self.filled

    @property
    def scored(self) -> int | None:
        """With how many alternatives the prompt is scored; None if it is not."""
        return (self.request.alternatives or 0) if self.request.echo else None

    def start_over(self) -> None:
        """Read all again, by the angles of the longest text that this may become."""
        self.filled, self.again, self.room = 0, True, self.total

    def send(self, update: Update) -> None:
        """Deliver an update, with the scores of the prompt if they wait; nothing follows the last one."""
        if self.ended:
            return
        self.ended = bool(update.reason)
        self.deliver(update)
