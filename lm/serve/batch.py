"""The texts that a model works on at once: which slot each has, and what a new one takes over from another.

Answers that write stand in the first slots, so that one step reads their keys as they lie. Those that still read their
prompts and free slots, which keep what they hold, come after them.
"""

from dataclasses import dataclass, field, replace

from torch import Tensor

from lm.model import Transformer
from lm.serve.answer import Answer
from lm.serve.request import Scored
from lm.serve.slots import Slots


@dataclass
class Held:
    """The prompt whose keys lie in a slot.

    Keys of generated tokens are not kept: those of a prompt have other last bits, and an answer would depend on who
    had read its prompt.
    """

    tokens: list[int] = field(default_factory=list)
    angles: int | None = None  # length of the text that its rotary angles were computed for; None if they hold for all
    complete: bool = False  # whether all of the prompt is read
    features: Tensor | None = None  # D, of its last token
    scored: int | None = None  # with how many alternatives its tokens are scored; None if they are not
    scores: tuple[Scored, ...] = ()
    used: int = 0  # number of the answer that came last


class Batch:
    """Slots and what they hold.

    Args:
        model: The model to compute with.
        slots: Texts at once.
        rows: Rows are padded to a multiple of this number.
        chunk: Tokens of a prompt that are read at once: chunks begin at multiples of it for every request, so that
            the same bits come out.
        prefixes: Whether keys are taken over.
    """

    def __init__(self, model: Transformer, *, slots: int, rows: int, chunk: int, prefixes: bool) -> None:
        self.slots, self.chunk, self.prefixes = Slots(model, slots, rows=rows), chunk, prefixes
        self.answers: list[Answer | None] = [None] * slots
        self._held = [Held() for _ in range(slots)]
        self._writing = 0
        self._admitted = 0

    @property
    def running(self) -> list[Answer]:
        """Return the answers that have a slot."""
        return [answer for answer in self.answers if answer is not None]

    @property
    def writing(self) -> list[Answer]:
        """Return the answers that have read their prompts."""
        return self.answers[: self._writing]

    @property
    def free(self) -> bool:
        """Whether a slot is free."""
        return None in self.answers

    def admit(self, answer: Answer) -> None:
        """Give a free slot to an answer: the one that was used longest ago, or one that begins with its prompt."""
        self._admitted += 1
        answer.number = self._admitted
        source, count = self._best(answer)
        chosen = min((slot for slot, other in enumerate(self.answers) if other is None), key=self._age)
        if count and self.answers[source] is None and len(self._held[source].tokens) < count + self.chunk:
            chosen = source  # little is lost
        self.slots.reserve(answer.total)
        self.answers[chosen], answer.slot = answer, chosen
        if count:
            self._held[source].used = self._admitted

    def begin(self, answer: Answer) -> bool:
        """Take over what another slot holds; return False while it is better to wait for one that reads the same."""
        source, count = self._best(answer)
        if any(self._usable(held, answer) > count for held in self._coming(answer)):
            return False
        held, prompt = self._held[source], answer.prompt
        self.slots.copy(source, answer.slot, tokens=count)
        if count == len(prompt):
            self._held[answer.slot] = replace(held, tokens=[*prompt], used=self._admitted)
            answer.prompt_scores = [*held.scores] if answer.request.echo else []
        else:
            self._held[answer.slot] = Held([*prompt[:count]], answer.angles, used=self._admitted)
        answer.begun, answer.filled, answer.cached = True, count, count
        return True

    def next_chunk(self, answer: Answer) -> int:
        """Count the tokens up to the next multiple of a chunk, or to the end."""
        return min(self.chunk - answer.filled % self.chunk, answer.unread)

    def read(self, answer: Answer) -> Tensor:
        """Read the next chunk of a text; return its features, T D."""
        start, window = answer.filled, answer.continuation.window
        end = start + self.next_chunk(answer)
        features = self.slots.read(answer.slot, window[start:end], start=start, room=answer.room)
        answer.filled = end
        if not answer.again:
            self._held[answer.slot].tokens += window[start:end]
        return features

    def complete(self, answer: Answer, features: Tensor) -> None:
        """Note that a prompt is read, for others that have the same: the features after its end, D, and its scores."""
        held = self._held[answer.slot]
        held.complete, held.features = True, features.clone()
        held.scored, held.scores = answer.scored, tuple(answer.prompt_scores)

    def features_of_prompt(self, answer: Answer) -> Tensor:
        """Return the features after the end of a prompt that is read, D."""
        return self._held[answer.slot].features

    def extend(self) -> Tensor:
        """Read the newest token of those that write; return their features, B D."""
        answers = self.writing
        features = self.slots.extend(
            [answer.continuation.window[-1] for answer in answers],
            filled=[answer.filled for answer in answers],
            rooms=[answer.room for answer in answers],
        )
        for answer in answers:
            answer.filled += 1
        return features

    def start_writing(self, answer: Answer) -> None:
        """Move an answer that has read its prompt to those that write."""
        answer.reading = False
        self._swap(answer.slot, self._writing)
        self._writing += 1

    def stop_writing(self, answer: Answer) -> None:
        """Take an answer out of those that write: the last of them takes its place."""
        self._writing -= 1
        self._swap(answer.slot, self._writing)
        answer.reading = True

    def read_again(self, answer: Answer) -> None:
        """Let an answer that outgrows the angles of its keys start over."""
        self.stop_writing(answer)
        self._held[answer.slot] = Held(used=self._held[answer.slot].used)
        answer.start_over()

    def release(self, answer: Answer) -> None:
        """Free the slot of an answer, which keeps what it holds."""
        if not answer.reading:
            self.stop_writing(answer)
        self.answers[answer.slot] = None
        answer.slot = None

    def _age(self, slot: int) -> int:
        return self._held[slot].used

    def _coming(self, answer: Answer) -> list[Held]:
        """Return what the slots of others will hold that are reading their prompts."""
        reading = [each for each in self.running if each is not answer and each.reading and each.begun]
        return [Held(each.prompt, each.angles, complete=True, scored=each.scored) for each in reading if not each.again]

    def _best(self, answer: Answer) -> tuple[int, int]:
        """Return the slot that holds most of the prompt, and how many tokens can be taken over."""
        counts = [self._usable(held, answer) for held in self._held]
        best = max(range(len(counts)), key=counts.__getitem__)
        return best, counts[best]

    def _usable(self, held: Held, answer: Answer) -> int:
        """Count the tokens that an answer can take over: whole chunks, or all of a prompt that is its own."""
        prompt, chunk = answer.prompt, self.chunk
        if not self.prefixes or held.angles != answer.angles:
            return 0
        if held.complete and held.tokens == prompt and answer.scored in (None, held.scored):
            return len(prompt)
        if answer.scored is not None:
            return 0  # features of every token are needed
        most = min(len(held.tokens), len(prompt) - 1) // chunk * chunk
        return next(
            (
                start
                for start in range(0, most, chunk)
                if held.tokens[start : start + chunk] != prompt[start : start + chunk]
            ),
            most,
        )

    def _swap(self, first: int, second: int) -> None:
        """Exchange two slots: what they hold and whom they serve."""
        if first == second:
            return
        answers, held = self.answers, self._held
        sizes = [len(held[slot].tokens) for slot in (first, second)]
        sizes += [answers[slot].filled for slot in (first, second) if answers[slot] is not None]
        self.slots.swap(first, second, tokens=max(sizes))
        for each in (answers, held):
            each[first], each[second] = each[second], each[first]
        for slot in (first, second):
            if answers[slot] is not None:
                answers[slot].slot = slot
