"""What the thread of an engine does in a step: write a token of every answer, read prompts, deliver."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from lm.serve.answer import Answer
from lm.serve.batch import Batch
from lm.serve.drawing import drawn
from lm.serve.request import Update
from lm.serve.scores import scored


class Work:
    """The answers that have a slot, from their prompts to their last tokens.

    Args:
        batch: The slots.
        project: Returns the logits of features, … D → … V.
        rows: Rows are padded to a multiple of this number.
        prefill_tokens: Tokens of prompts that one step reads at most.
        counts: Counters, by the names of `Counters`.
    """

    def __init__(
        self,
        batch: Batch,
        project: Callable[[Tensor], Tensor],
        *,
        rows: int,
        prefill_tokens: int,
        counts: dict[str, int],
    ) -> None:
        self._batch, self._project, self._rows, self._counts = batch, project, rows, counts
        self._prefill_tokens = prefill_tokens

    def step(self) -> None:
        """Serve every answer once."""
        ready = self._extend()  # first, since those that have read their prompt join those that write
        ready += self._read()
        if ready:
            self._write(ready)
        self._counts["steps"] += 1

    def fail(self, answer: Answer, error: Exception) -> None:
        """End an answer with the words of an error."""
        self.end(answer, Update("", reason="failed", error=f"{type(error).__name__}: {error}"))

    def end(self, answer: Answer, update: Update) -> None:
        """Free the slot, if it has one, and deliver the last update."""
        if answer.slot is not None:
            self._batch.release(answer)
        self._counts[update.reason if update.reason in ("cancelled", "failed") else "finished"] += 1
        try:
            answer.send(update)
        except Exception:  # the client has left
            answer.ended = True

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
                self.fail(answer, error)
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
        pending = [answer for answer in begun if answer.unread]
        oldest, others = pending[:1], sorted(pending[1:], key=lambda answer: answer.unread)
        left = self._prefill_tokens
        half = [(answer, max(left // 2, self._batch.next_chunk(answer))) for answer in oldest]
        for answer, share in [*half, *((answer, left) for answer in [*others, *oldest])]:
            left -= self._read_share(answer, min(share, left), ready)
        return ready

    def _read_share(self, answer: Answer, share: int, ready: list[tuple[Answer, Tensor]]) -> int:
        """Read chunks of a prompt, together at most `share` tokens; return how many."""
        read = 0
        while answer.slot is not None and answer.reading and read + self._batch.next_chunk(answer) <= share:
            read += self._batch.next_chunk(answer)
            self._read_chunk(answer, ready)
        return read

    def _begin(self, answer: Answer) -> bool:
        begun = self._batch.begin(answer)
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
            self.fail(answer, error)

    def _write(self, ready: list[tuple[Answer, Tensor]]) -> None:
        """Draw the next token of each, and deliver."""
        features = torch.stack([features for _, features in ready])
        logits = self._project(F.pad(features, (0, 0, 0, -len(ready) % self._rows)))[: len(ready)]
        answers = [answer for answer, _ in ready]
        for answer, row, token in zip(answers, logits, drawn(logits, answers), strict=True):
            try:
                self._append(answer, token, row)
            except Exception as error:
                self.fail(answer, error)

    def _append(self, answer: Answer, token: int | None, logits: Tensor) -> None:
        if token is None:
            raise ArithmeticError("the model's logits are not finite: its weights are broken, or the type overflows")
        if answer.request.max_tokens == 0:
            self.end(answer, Update("", prompt_scores=tuple(answer.prompt_scores), reason="length"))
            return
        text = answer.continuation.append(token)
        asked = answer.request.alternatives
        scores = () if asked is None else tuple(scored(logits[None], [token], alternatives=asked))
        first = len(answer.continuation.tokens) == 1
        prompt_scores = tuple(answer.prompt_scores) if first else ()
        update = Update(text, (token,), scores, prompt_scores, answer.continuation.reason)
        self._counts["generated_tokens"] += 1
        if update.reason:
            self.end(answer, update)
        else:
            answer.send(update)
