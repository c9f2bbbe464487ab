"""Rows of prompts: the data of reinforcement learning.

Legend: T context
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from lm.batch import PromptBatch
from lm.bounds import Count, Natural, Positive
from lm.config.faults import notes_at
from lm.conversation import Conversation, Prompt, RecordedTemplate, Template, check_prompt, with_tools_as_text
from lm.conversation.prompt import split_answer
from lm.conversation.sources import ConversationSource
from lm.corpus import Split
from lm.data.conversations import SelectedConversations
from lm.data.mixing import Mixing
from lm.data.mixture import Mixture, resolve_sources
from lm.data.module import TrainingData
from lm.data.row_source import Row, RowSource, evenly_spaced
from lm.data.rows import Rows
from lm.files import hash_json
from lm.tokenizer import Tokenizer

SHOWN = 4  # held-out questions that a run may show replies to


@dataclass
class PromptRow(Row):
    """A prompt at the right end of its row."""

    batch = PromptBatch

    prompt: int = 0


class PromptRows(RowSource):
    """One prompt per row, padded on the left: an answer continues at the right end.

    Args:
        prompts: The prompts; none is longer than the context.
        first: Number of the first of them in `Rows.asked`.
        context: Tokens of a row.
        padding: Token id that fills the beginning of a row.
    """

    def __init__(self, prompts: Sequence[Prompt], *, first: int, context: int, padding: int):
        self.prompts, self.first, self.context, self.padding = prompts, first, context, padding
        self.batch = PromptBatch
        self.counts = np.ones(len(prompts), dtype=np.int64)  # a prompt has one answer to be learned

    def document_names(self, row: int) -> list[str]:
        return [self.prompts[row].place]

    def row(self, index: int) -> PromptRow:
        prompt = self.prompts[index].tokens
        start = self.context - len(prompt)
        tokens, targets = np.full((2, self.context), self.padding, dtype=np.int64)
        tokens[start:], targets[start:-1] = prompt, prompt[1:]
        documents = np.where(np.arange(self.context) < start, -1, 0)
        last = np.arange(self.context) == self.context - 1
        return PromptRow(tokens, targets, last, documents, prompt=self.first + index)


class PromptData(TrainingData):
    """Prompts that a policy answers: conversations without their last answer, which rewards take as the reference.

    Validation answers the held-out prompts. What is dropped is printed, and counted in the manifest's `left_out`.

    Args:
        conversations: A source of conversations, or several by the names that a mixture uses.
        template: How conversations are written as tokens; null takes the template that the model was tuned with, or
            else `RoleTokenTemplate`.
        split: Which prompts are held out, by their group or else by their first question and answer.
        room: Tokens of the context that a prompt leaves free for the answer, at least.
        too_long: What to do with a prompt that leaves less room: drop it, or refuse the run.
        invalid: What to do with a conversation that asks nothing, such as one without a user turn: drop it, which is
            counted by reason, or refuse the run. If more than half are invalid, the run is refused.
        mixture: Share of each source, counted in prompts; null shuffles all together, each read once per epoch.
        max_examples: Prompts of a source to train on, at most, for all or by name; null for all. Which ones is decided
            by a hash of their first question and answer.
        max_epochs: Maximum epochs of a source, for all or by name; null for no limit.
        excess: What to do if the budget exceeds max_epochs: refuse the run, or redistribute the excess to the other
            sources of a mixture.
        validation_rows: Held-out prompts answered at each validation, evenly spaced; null for all.
        workers: Processes that read rows ahead of training, per rank; prompts are in memory, so 0 is as fast.
        recorded: The template that the model's run recorded, if any.
    """

    def __init__(
        self,
        conversations: ConversationSource | dict[str, ConversationSource],
        *,
        template: Template | None = None,
        split: Split,
        room: Count = 1,
        too_long: Literal["refuse", "drop"] = "drop",
        invalid: Literal["refuse", "drop"] = "drop",
        mixture: Mixture | None = None,
        max_examples: Count | dict[str, Count] | None = None,
        max_epochs: Positive | dict[str, Positive] | None = None,
        excess: Literal["refuse", "redistribute"] = "refuse",
        validation_rows: Count | None = 64,
        workers: Natural = 0,
        recorded: RecordedTemplate | None = None,
    ):
        super().__init__(workers=workers)
        if not conversations:
            raise ValueError("data.conversations is empty: +data/conversations@data.conversations.NAME=OPTION adds one")
        self.several = isinstance(conversations, dict)
        self.conversations = conversations if self.several else {"prompts": conversations}
        recorded = recorded or RecordedTemplate(None)
        self.template, self.check_tuned = recorded.resolve(template), partial(recorded.check_tuned, template)
        self.split, self.room, self.too_long, self.invalid = split, room, too_long, invalid
        self.mixing = Mixing(mixture, max_epochs, excess)
        self.max_examples, self.validation_rows = max_examples, validation_rows

    def fingerprint(self) -> str:
        return hash_json({name: source.fingerprint() for name, source in self.conversations.items()})

    def open(self, *, tokenizer: Tokenizer, context: int) -> Rows:
        self.check_tuned()
        training: dict[str, list[Prompt]] = {}
        held_out: list[Prompt] = []
        notes, left_out, limits = [], {}, self._limits()
        for name, source in self.conversations.items():
            selected = SelectedConversations(
                source,
                split=self.split,
                invalid=self.invalid,
                max_examples=limits.get(name),
                key=self._key(name),
                check=check_prompt,
            )
            before = len(held_out)
            training[name], dropped = [], Counter[str]()
            for conversation in selected:
                prompt = self._prompt(conversation, tokenizer, task=conversation.task or name)
                if len(prompt.tokens) > context - self.room:
                    self._refuse_if_asked(prompt, context)
                    dropped[f"longer than {max(0, context - self.room)} tokens dropped"] += 1
                else:
                    (held_out if self.split.held_out(conversation) else training[name]).append(prompt)
            dropped.update(selected.left_out)
            left_out[name] = {"dropped": dropped.total()}
            changed = [f"{count} {outcome}" for outcome, count in dropped.items()]
            changed += notes_at(self._key(name), source)
            if not training[name]:
                raise ValueError(
                    f"data.conversations: {name} has no prompt to train on ({len(held_out) - before} are held out; "
                    f"{'; '.join(changed) or 'none is left out'}): lower objective.max_tokens, or use a model with a "
                    "longer context or other data"
                )
            notes.append(f"{len(training[name])} {name}; {len(held_out) - before} held out")
            notes += [f"{name}: {change}" for change in changed]
        return self._rows(training, held_out, tokenizer, context, notes, left_out)

    def _rows(
        self,
        training: dict[str, list[Prompt]],
        held_out: list[Prompt],
        tokenizer: Tokenizer,
        context: int,
        notes: Sequence[str],
        left_out: dict[str, dict[str, int]],
    ) -> Rows:
        sources: dict[str, RowSource] = {}
        asked: list[Prompt] = []
        for name, prompts in [*training.items(), (None, held_out)]:
            rows = PromptRows(prompts, first=len(asked), context=context, padding=tokenizer.padding)
            asked += prompts
            if name is not None:
                sources[name] = rows
        questions = dict.fromkeys(prompt.messages[-1].content for prompt in held_out if len(prompt.messages) == 1)
        return Rows(
            sources=sources,
            tokenizer=tokenizer,
            validation=evenly_spaced(rows, self.validation_rows) if held_out else None,
            kinds=sorted({prompt.task for prompt in held_out}),
            template=self.template,
            mixing=self.mixing,
            prompts=[*questions][:SHOWN],
            asked=asked,
            notes=notes,
            left_out=left_out,
        )

    def _prompt(self, conversation: Conversation, tokenizer: Tokenizer, *, task: str) -> Prompt:
        conversation = with_tools_as_text(conversation, self.template)
        messages, answer = split_answer(conversation)
        tokens = self.template.prompt(messages, tokenizer, tools=conversation.tools)
        return Prompt(tuple(tokens), messages, answer, task=task, place=conversation.place)

    def _refuse_if_asked(self, prompt: Prompt, context: int) -> None:
        if self.too_long == "refuse":
            raise ValueError(
                f"data.too_long=refuse: {prompt.place} has {len(prompt.tokens)} tokens, which leave less than "
                f"{self.room} of the context of {context} for the answer; set data.too_long=drop, lower "
                "objective.max_tokens, or use a model with a longer context"
            )

    def _limits(self) -> dict[str, int]:
        """`max_examples` of each source that has a limit."""
        if not isinstance(self.max_examples, dict):
            return {} if self.max_examples is None else dict.fromkeys(self.conversations, self.max_examples)
        resolved = resolve_sources(self.max_examples, [*self.conversations], key="data.max_examples")
        return {source: self.max_examples[name] for name, named in resolved.items() for source in named}

    def _key(self, name: str) -> str:
        """Config key of a source."""
        return f"data.conversations.{name}" if self.several else "data.conversations"
