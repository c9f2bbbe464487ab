"""Answer many requests at once with one model: a thread that takes steps, each of which serves all of them."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import fields

import torch

from lm.model import Transformer
from lm.serve.answer import Answer
from lm.serve.batch import Batch
from lm.serve.packed import packed
from lm.serve.request import Busy, Closed, Counters, Request, Update, check
from lm.serve.rows import rows_of_equal_bits
from lm.serve.work import Work
from lm.tokenizer import Tokenizer


class Ticket:
    """A request that an engine accepted.

    Args:
        answer: The answer in the making.
        wake: Wakes the engine.
    """

    def __init__(self, answer: Answer, wake: Callable[[], None]) -> None:
        self._answer, self._wake = answer, wake

    @property
    def cached_prompt_tokens(self) -> int:
        """Tokens of the prompt that another request had read; known from the first update on."""
        return self._answer.cached

    def cancel(self) -> None:
        """End the answer in whatever state it is; its slot is free within one step."""
        self._answer.cancelled = True
        self._wake()


class Engine:
    """Continuous batching: requests join and leave between steps, and none changes another's text.

    Args:
        model: The model; it is put into evaluation mode. Its matrices are copied into a faster layout, so drop it
            afterwards if memory is short.
        tokenizer: Its tokenizer.
        slots: Requests that are worked on at once.
        context: Tokens of a prompt and its answer together; None is the model's context.
        prefill_tokens: Tokens of prompts that one step reads at most: more reads prompts faster, fewer lets the
            answers that are being written wait less.
        queue: Requests that may wait while all slots are taken.
        prefixes: Whether a prompt's keys are taken over from another request that begins with the same tokens.
        chunk: Tokens of a prompt that are read at once and taken over as a whole, at most `prefill_tokens`: more reads
            long prompts a little faster, fewer takes over more.
    """

    def __init__(
        self,
        model: Transformer,
        tokenizer: Tokenizer,
        *,
        slots: int = 16,
        context: int | None = None,
        prefill_tokens: int = 256,
        queue: int = 256,
        prefixes: bool = True,
        chunk: int = 64,
    ) -> None:
        if not isinstance(model, Transformer):
            raise ValueError(
                f"{type(model).__name__} is no lm.model.Transformer, whose features() an engine computes with: "
                "generate with lm generate instead"
            )
        self.tokenizer, self.queue = tokenizer, queue
        self.context = model.context if context is None else context
        for name, size, least in (
            ("slots", slots, 1),
            ("prefill_tokens", prefill_tokens, 1),
            ("queue", queue, 0),
            ("chunk", chunk, 1),
        ):
            if size < least:
                raise ValueError(f"{name} {size} is not at least {least}")
        if not 1 <= self.context <= model.context:
            raise ValueError(f"context {context} is not from 1 to the model's {model.context}: null is the model's")
        rows = rows_of_equal_bits(model)
        self.model, project = packed(model.eval())  # the given one is not kept, so that its matrices can go
        chunk = min(chunk, prefill_tokens)
        self._batch = Batch(self.model, slots=slots, rows=rows, chunk=chunk, prefixes=prefixes)
        self._changed = threading.Condition()
        self._waiting: deque[Answer] = deque()
        self._counts = {
            field.name: 0 for field in fields(Counters) if field.name not in ("slots", "running", "waiting")
        }
        self._work = Work(self._batch, project, rows=rows, prefill_tokens=prefill_tokens, counts=self._counts)
        self._closed = False  # takes no more requests
        self._deadline: float | None = None  # when what is left fails
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to take steps, on a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def close(self, *, drain: bool = True, seconds: float = 30.0) -> None:
        """Take no more requests, end, and wait for the end.

        Args:
            drain: Whether to finish first what was accepted, waiting requests too.
            seconds: Time for that; what is left then fails.
        """
        with self._changed:
            self._closed = True
            self._deadline = time.monotonic() + (seconds if drain else 0)
            self._changed.notify_all()
        if self._thread is None:
            self._end_all("the server is closing")
        else:
            self._thread.join()

    def submit(self, request: Request, deliver: Callable[[Update], None]) -> Ticket:
        """Queue a request.

        Args:
            request: What is asked.
            deliver: Called with each update, in order, on the engine's thread: it must return soon.

        Raises:
            ValueError: The request cannot be answered.
            Busy: The queue is full.
            Closed: The engine takes no more requests.
        """
        check(request, vocab_size=self.model.vocab_size, context=self.context)
        answer = Answer(
            request,
            deliver,
            context=self.context,
            unchanged_up_to=self.model.unchanged_up_to,
            tokenizer=self.tokenizer,
        )
        with self._changed:
            if self._closed:
                raise Closed("the engine is closing and takes no more requests")
            if len(self._waiting) >= self.queue + self._batch.answers.count(None):
                raise Busy(f"all slots are taken and the queue of {self.queue} is full: try again later")
            self._waiting.append(answer)
            self._counts["requests"] += 1
            self._changed.notify_all()
        return Ticket(answer, self._wake)

    def counters(self) -> Counters:
        """Return what was done so far."""
        with self._changed:
            slots, running = len(self._batch.answers), len(self._batch.running)
            return Counters(slots=slots, running=running, waiting=len(self._waiting), **self._counts)

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def step(self) -> None:
        """Serve every request once: write a token of each answer, and read prompts up to the limit."""
        with torch.inference_mode():
            self._remove_cancelled()
            self._admit()
            self._work.step()

    def _run(self) -> None:
        torch.set_num_threads(torch.get_num_threads())  # the setting of a new thread is the machine's
        while self._has_work():
            try:
                self.step()
            except Exception as error:
                for answer in self._batch.running:
                    self._work.fail(answer, error)

    def _has_work(self) -> bool:
        """Wait for something to do; return False once closed and done."""
        with self._changed:
            while not self._waiting and not self._batch.running:
                if self._closed:
                    return False
                self._changed.wait()
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self._end_all("the server is closing")
            return False
        return True

    def _remove_cancelled(self) -> None:
        with self._changed:
            gone = [answer for answer in self._waiting if answer.cancelled]
            for answer in gone:
                self._waiting.remove(answer)
        for answer in [*gone, *(each for each in self._batch.running if each.cancelled)]:
            self._work.end(answer, Update("", reason="cancelled"))

    def _admit(self) -> None:
        """Give free slots to those that wait longest."""
        while self._batch.free:
            with self._changed:
                if not self._waiting:
                    return
                answer = self._waiting.popleft()
            self._counts["prompt_tokens"] += len(answer.prompt)
            try:
                self._batch.admit(answer)
            except Exception as error:
                self._work.fail(answer, error)

    def _end_all(self, error: str) -> None:
        with self._changed:
            waiting, self._waiting = [*self._waiting], deque()
        for answer in [*waiting, *self._batch.running]:
            self._work.end(answer, Update("", reason="failed", error=error))
