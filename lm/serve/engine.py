"""Answer many requests at once with one model: a thread that takes steps, each of which serves all of them."""

import threading
import time
from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from lm.model import Transformer
from lm.serve.answer import Answer
from lm.serve.batch import Batch
from lm.serve.drawing import drawn
from lm.serve.packed import packed
from lm.serve.request import Busy, Closed, Counters, Request, Update
from lm.serve.rows import rows_of_equal_bits
from lm.serve.scores import scored
from lm.tokenizer import Tokenizer

CHUNK = 64  # tokens of a prompt that are read at once


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
        model: The model; it is put into evaluation mode.
        tokenizer: Its tokenizer.
        slots: Requests that are worked on at once.
        context: Tokens of a prompt and its answer together; None is the model's context.
        prefill_tokens: Tokens of prompts that one step reads at most: more reads prompts faster, fewer lets the
            answers that are being written wait less.
        queue: Requests that may wait for a slot.
        prefixes: Whether a prompt's keys are taken over from another request that began with the same tokens.
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
    ) -> None:
        self.model, self.tokenizer = model.eval(), tokenizer
        self.context = model.context if context is None else context
        _check_sizes(slots=slots, prefill_tokens=prefill_tokens, queue=queue)
        if not 1 <= self.context <= model.context:
            raise ValueError(f"context {context} is not from 1 to the model's {model.context}: null is the model's")
        self.prefill_tokens, self.queue, self.prefixes = prefill_tokens, queue, prefixes
        faster, self._project = packed(self.model)
        self._rows = rows_of_equal_bits(self.model)
        chunk = min(CHUNK, prefill_tokens)
        self._batch = Batch(faster, slots=slots, rows=self._rows, chunk=chunk, prefixes=prefixes)
        self._changed = threading.Condition()
        self._waiting: deque[Answer] = deque()
        self._counts = dict.fromkeys(
            (
                "steps", "requests", "finished", "cancelled", "failed",
                "prompt_tokens", "cached_prompt_tokens", "generated_tokens",
            ), 0,
        )  # fmt: skip
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
        self._check(request)
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
            if len(self._waiting) >= self.queue:
                raise Busy(
                    f"the queue is full ({self.queue} {'request' if self.queue == 1 else 'requests'}): try again"
                )
            self._waiting.append(answer)
            self._counts["requests"] += 1
            self._changed.notify_all()
        return Ticket(answer, self._wake)

    def counters(self) -> Counters:
        """Return what was done so far."""
        with self._changed:
            slots, running = len(self._batch.answers), len(self._batch.running)
            return Counters(slots=slots, running=running, waiting=len(self._waiting), **self._counts)

    def _check(self, request: Request) -> None:
        vocabulary = self.model.vocab_size
        if not request.prompt:
            raise ValueError("the prompt is empty: begin with the token that begins a document")
        foreign = [token for token in request.prompt if not 0 <= token < vocabulary]
        if foreign:
            raise ValueError(f"the prompt contains token {foreign[0]}, and the vocabulary has {vocabulary}")
        if request.max_tokens < (0 if request.echo else 1):
            raise ValueError(f"max_tokens {request.max_tokens} is below 1 (0 is for a prompt that is echoed): try 200")
        total = len(request.prompt) + request.max_tokens
        if total > self.context:
            raise ValueError(
                f"a prompt of {len(request.prompt)} tokens and max_tokens {request.max_tokens} exceed the context of "
                f"{self.context} tokens: shorten the prompt or lower max_tokens"
            )
        if request.alternatives is not None and not 0 <= request.alternatives <= vocabulary:
            raise ValueError(f"alternatives {request.alternatives} is not from 0 to {vocabulary}, the vocabulary")

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def step(self) -> None:
        """Serve every request once: write a token of each answer, and read prompts up to the limit."""
        with torch.inference_mode():
            self._remove_cancelled()
            self._admit()
            ready = self._extend()  # first, since those that have read their prompt join those that write
            ready += self._read()
            if ready:
                self._write(ready)
        with self._changed:
            self._counts["steps"] += 1

    def _run(self) -> None:
        torch.set_num_threads(torch.get_num_threads())  # the setting of a new thread is the machine's
        while self._has_work():
            try:
                self.step()
            except Exception as error:
                for answer in self._batch.running:
                    self._fail(answer, error)

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
            self._end(answer, Update("", reason="cancelled"))

    def _admit(self) -> None:
        """Give free slots to those that wait longest."""
        while self._batch.free:
            with self._changed:
                if not self._waiting:
                    return
                answer = self._waiting.popleft()
                self._counts["prompt_tokens"] += len(answer.prompt)
                self._batch.admit(answer)

    def _extend(self) -> list[tuple[Answer, Tensor]]:
        """Read the newest token of those that write; return their features."""
        for answer in [each for each in self._batch.writing if each.filled == each.room]:
            self._batch.read_again(answer)
        answers = self._batch.writing
        if not answers:
            return []
        try:
            features = self._batch.extend()
        except Exception as error:
            for answer in answers:
                self._fail(answer, error)
            return []
        return [*zip(answers, features, strict=True)]

    def _read(self) -> list[tuple[Answer, Tensor]]:
        """Read prompts, up to the limit of a step; return those that are read, and their last features.

        Half of the limit is for the prompt that came first, the rest for those that have least to read: a short one
        waits for no long one, and a long one is read however many short ones come.
        """
        ready: list[tuple[Answer, Tensor]] = []
        reading = sorted((each for each in self._batch.running if each.reading), key=lambda answer: answer.number)
        begun = [answer for answer in reading if answer.begun or self._begin(answer)]
        for answer in [each for each in begun if each.unread == 0]:
            ready.append((answer, self._batch.features_of_prompt(answer)))
            self._batch.start_writing(answer)
        left = max(1, self.prefill_tokens // self._batch.chunk)
        pending = [answer for answer in begun if answer.unread]
        shares = [(answer, -(-left // 2)) for answer in pending[:1]]
        shares += [(answer, left) for answer in sorted(pending[1:], key=lambda answer: answer.unread)]
        for answer, share in [*shares, *((answer, left) for answer in pending[:1])]:
            for _ in range(min(share, left)):
                if answer.slot is None or not answer.reading:
                    break
                left -= 1
                self._read_chunk(answer, ready)
        return ready

    def _begin(self, answer: Answer) -> bool:
        begun = self._batch.begin(answer)
        with self._changed:
            self._counts["cached_prompt_tokens"] += answer.cached
        return begun

    def _read_chunk(self, answer: Answer, ready: list[tuple[Answer, Tensor]]) -> None:
        """Read a chunk; an answer that has read all joins those that are ready."""
        try:
            start, features = answer.filled, self._batch.read(answer)
            expected = answer.prompt[start + 1 : answer.filled + 1]
            if answer.request.echo and not answer.again and expected:
                logits = self._project(F.pad(features, (0, 0, 0, -len(features) % self._rows)))[: len(expected)]
                answer.prompt_scores += scored(logits, expected, alternatives=answer.request.alternatives or 0)
            if answer.unread == 0:
                if not answer.again:
                    self._batch.complete(answer, features[-1])
                self._batch.start_writing(answer)
                ready.append((answer, features[-1]))
        except Exception as error:
            self._fail(answer, error)

    def _write(self, ready: list[tuple[Answer, Tensor]]) -> None:
        """Draw the next token of each, and deliver."""
        features = torch.stack([features for _, features in ready])
        logits = self._project(F.pad(features, (0, 0, 0, -len(ready) % self._rows)))[: len(ready)]
        answers = [answer for answer, _ in ready]
        for answer, row, token in zip(answers, logits, drawn(logits, answers), strict=True):
            try:
                self._append(answer, token, row)
            except Exception as error:
                self._fail(answer, error)

    def _append(self, answer: Answer, token: int | None, logits: Tensor) -> None:
        if token is None:
            raise ArithmeticError("the model's logits are not finite: its weights are broken, or the type overflows")
        if answer.request.max_tokens == 0:
            self._end(answer, Update("", prompt_scores=tuple(answer.prompt_scores), reason="length"))
            return
        text = answer.continuation.append(token)
        asked = answer.request.alternatives
        scores = () if asked is None else tuple(scored(logits[None], [token], alternatives=asked))
        first = len(answer.continuation.tokens) == 1
        prompt_scores = tuple(answer.prompt_scores) if first else ()
        update = Update(text, (token,), scores, prompt_scores, answer.continuation.reason)
        with self._changed:
            self._counts["generated_tokens"] += 1
        if update.reason:
            self._end(answer, update)
        else:
            answer.send(update)

    def _fail(self, answer: Answer, error: Exception) -> None:
        self._end(answer, Update("", reason="failed", error=f"{type(error).__name__}: {error}"))

    def _end(self, answer: Answer, update: Update) -> None:
        """Free the slot and deliver the last update."""
        if answer.slot is not None:
            self._batch.release(answer)
        ends = update.reason if update.reason in ("cancelled", "failed") else "finished"
        with self._changed:
            self._counts[ends] += 1
        try:
            answer.send(update)
        except Exception:  # whoever asked is gone
            answer.ended = True

    def _end_all(self, error: str) -> None:
        with self._changed:
            waiting, self._waiting = [*self._waiting], deque()
        for answer in [*waiting, *self._batch.running]:
            self._end(answer, Update("", reason="failed", error=error))


def _check_sizes(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} {size} is not at least 1")
