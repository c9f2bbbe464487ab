"""Drawn answers to held-out prompts, scored by rewards: pass@k, mean reward, length, and KL from a reference."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import mean
from typing import Any

from lm.bounds import Count
from lm.checkpoint.lineage import check_reference
from lm.config.faults import errors_at
from lm.conversation import Conversation, Prompt, RecordedTemplate, Template, check_prompt, with_tools_as_text
from lm.conversation.prompt import split_answer
from lm.corpus import Split
from lm.evaluation.evaluation import Evaluation
from lm.evaluation.graded import Graded, example, scores_of
from lm.files import hash_json
from lm.generation import Completion, Generator, Sampling, random_generator
from lm.model import ModelSource, Transformer
from lm.objective.answer_loss import answer_nats
from lm.progress import bar
from lm.reward import Answer, RewardSum
from lm.tokenizer import Tokenizer
from lm.tools import Tool, Toolbox, generate_with_tools

KEY = "evaluations.rewards"
COLUMNS = ("prompts", "greedy pass", "95 % interval", "pass@1", "pass@{}", "reward", "tokens", "cut", "KL")
SHOWN = 3  # answers in the results


class RewardedAnswers(Evaluation):
    """Answer held-out prompts, greedily once and by drawing `samples` times, and score the answers by rewards.

    The draws follow from the number of the prompt and of the answer, so models are compared on equal draws. pass@k is
    unbiased (arXiv:2107.03374). The mean reward has a 95 % interval over prompts. Beside a `reference`, KL is the mean
    of log π − log π_ref of a whole drawn answer, which estimates the divergence from it. Prompts that leave no room for
    `max_tokens` in the context are skipped, as are conversations that ask nothing.

    Args:
        conversations: One source of conversations, or several by name; their held-out part is used, without the last
            answers, which rewards take as the references.
        reward: Scores answers; its parts are reported by name.
        split: What is held out; its share must not exceed the one of training.
        sampling: How answers are drawn. Temperature 1 without filters is the model itself.
        template: Template of the prompts; null takes the recorded one.
        reference: Where the model before the training comes from, as `lm.checkpoint.RunModel`; null for none.
        samples: Answers drawn for each prompt; pass@k is known up to this k.
        solved: Least reward of an answer that solves its prompt.
        max_prompts: Maximum number of prompts, evenly spaced over all that are held out.
        max_tokens: Maximum length of an answer, in tokens, its end token included.
        rows: Answers generated at once; changes speed and memory.
        tools: Tools that answers may call, by a name of yours; their results count towards `max_tokens`. Null for none.
        max_calls: Most calls of tools in one answer.
        recorded: The template that the model's run recorded.
    """

    def __init__(
        self,
        conversations: Iterable[Conversation] | Mapping[str, Iterable[Conversation]],
        *,
        reward: RewardSum,
        split: Split,
        sampling: Sampling,
        template: Template | None = None,
        reference: ModelSource | None = None,
        samples: Count = 16,
        solved: float = 1.0,
        max_prompts: Count = 200,
        max_tokens: Count = 64,
        rows: Count = 256,
        tools: Mapping[str, Tool] | None = None,
        max_calls: Count = 8,
        recorded: RecordedTemplate | None = None,
    ):
        if tools and reference is not None:
            raise ValueError(
                f"{KEY}.reference: the KL of answers that call tools is not computed: set {KEY}.reference=null, or "
                f"{KEY}.tools=null"
            )
        key, several = f"{KEY}.conversations", isinstance(conversations, Mapping)
        self.sources = (
            {f"{key}.{name}": source for name, source in conversations.items()} if several else {key: conversations}
        )
        self.template, self.split = (recorded or RecordedTemplate(None)).resolve(template), split
        self.reward, self.sampling, self.reference = reward, sampling, reference
        self.samples, self.solved = samples, solved
        self.max_prompts, self.max_tokens, self.rows = max_prompts, max_tokens, rows
        self.toolbox = Toolbox([*tools.values()], max_calls=max_calls) if tools else None

    def fingerprint(self) -> str:
        origin = {} if self.reference is None else self.reference.fingerprint()
        talks = [[[turn.role, turn.content] for turn in talk.messages] + [*talk.tools] for talk in self._held_out()]
        versions = self.reward.versions
        return hash_json([origin, talks, *([versions] if versions else [])])

    def __call__(self, model: Transformer, tokenizer: Tokenizer) -> dict[str, Any]:
        """Return the scores of each task, and of "all", and the answers to the first prompts as "examples"."""
        if self.toolbox is not None:
            self.toolbox.check(self.template, tokenizer)
        reference = None
        if self.reference is not None:
            check_reference(self.reference.origin, tokenizer, key=f"{KEY}.reference")
            reference = self.reference.build(vocab_size=tokenizer.vocab_size)
        prompts = self._prompts(model.context, tokenizer)
        graded: list[Graded] = []
        at_once = max(1, self.rows // self.samples)
        with bar(len(prompts), label="evaluate", unit="prompts") as progress:
            for start in range(0, len(prompts), at_once):
                here = prompts[start : start + at_once]
                graded += self._graded(model, reference, here, tokenizer, first=start)
                progress.update(len(here))
        tasks = sorted({each.prompt.task for each in graded})
        scores = {
            task: scores_of([each for each in graded if each.prompt.task == task], solved=self.solved) for task in tasks
        }
        return {
            **scores,
            "all": scores_of(graded, solved=self.solved),
            "examples": [example(each) for each in graded[:SHOWN]],
        }

    def table(self, results: dict[str, Any]) -> str:
        tasks = {name: scores for name, scores in results.items() if name != "examples"}
        width = max([len("drawn answers"), *map(len, tasks)])
        columns = [column.format(self.samples) for column in COLUMNS]
        lines = [f"{'drawn answers':<{width}}  {'  '.join(f'{column:>13}' for column in columns)}"]
        for task, scores in tasks.items():
            low, high = scores["greedy_interval"]
            half = scores["reward_half_width"]
            cells = [
                f"{scores['prompts']}",
                f"{scores['pass_greedy']:.1%}",
                f"{100 * low:.1f} – {100 * high:.1f}",
                f"{scores['pass_at']['1']:.1%}",
                f"{scores['pass_at'][str(self.samples)]:.1%}",
                _with_half(scores["reward"], half),
                f"{scores['tokens']:.1f}",
                f"{scores['truncated']:.1%}",
                "" if scores["kl"] is None else f"{scores['kl']:.3f}",
            ]
            lines.append(f"{task:<{width}}  {'  '.join(f'{cell:>13}' for cell in cells)}")
        return "\n".join([*lines, "", *results["examples"]])

    def _held_out(self) -> Iterator[Conversation]:
        for key, source in self.sources.items():
            with errors_at(key, source):
                for talk in source:
                    if _asks(talk) and self.split.held_out(talk):
                        yield talk

    def _prompts(self, context: int, tokenizer: Tokenizer) -> list[Prompt]:
        prompts = []
        for talk in self._held_out():
            talk = with_tools_as_text(talk, self.template)
            messages, reference = split_answer(talk)
            shown = (messages, talk.tools) if self.toolbox is None else self.toolbox.shown(messages, self.template)
            tokens = self.template.prompt(shown[0], tokenizer, tools=shown[1])
            if len(tokens) + self.max_tokens <= context + 1:
                prompts.append(
                    Prompt(tuple(tokens), messages, reference, task=talk.task or "answers", place=talk.place)
                )
        if not prompts:
            raise ValueError(
                f"{KEY}: no held-out prompt leaves room for max_tokens={self.max_tokens} in the context of {context}: "
                "lower max_tokens, or raise split.share"
            )
        missing = next((prompt.place for prompt in prompts if prompt.reference is None), None)
        if self.reward.needs_reference and missing is not None:
            raise ValueError(
                f"{KEY}.reward compares answers with a reference, and {missing} has none: take other data, or a reward "
                f"that needs none, or set {KEY}.reward.skip_unscorable=true"
            )
        count = min(self.max_prompts, len(prompts))
        return [prompts[number * len(prompts) // count] for number in range(count)]

    def _graded(
        self,
        model: Transformer,
        reference: Transformer | None,
        prompts: Sequence[Prompt],
        tokenizer: Tokenizer,
        *,
        first: int,
    ) -> list[Graded]:
        """Answer and score some prompts; `first` is the number of the first of them."""
        generator = Generator(model, tokenizer)

        def answers(
            asked: Sequence[Prompt], sampling: Sampling, generators: Sequence[Any]
        ) -> tuple[list[Completion], list[Answer]]:
            answered = self._completions if self.toolbox is None else self._episodes
            completions = answered(generator, asked, sampling=sampling, generators=generators)
            pairs = zip(asked, completions, strict=True)
            return completions, [self._answer(prompt, each, tokenizer) for prompt, each in pairs]

        _, greedy = answers(prompts, Sampling(temperature=0), [random_generator(0)] * len(prompts))
        numbers = [(number, sample) for number in range(len(prompts)) for sample in range(self.samples)]
        completions, drawn = answers(
            [prompts[number] for number, _ in numbers],
            self.sampling,
            [random_generator(first + number, sample) for number, sample in numbers],
        )
        best, scored = self.reward(greedy), self.reward(drawn)
        moved = self._moved(model, reference, [prompts[number] for number, _ in numbers], completions)
        graded = []
        for number, prompt in enumerate(prompts):
            mine = slice(number * self.samples, (number + 1) * self.samples)
            graded.append(
                Graded(
                    prompt,
                    (greedy[number], best.total[number]),
                    list(zip(drawn[mine], scored.total[mine], strict=True)),
                    {name: values[mine] for name, values in scored.parts.items()},
                    mean(moved[mine]) if moved else None,
                )
            )
        return graded

    def _completions(self, generator: Generator, asked: Sequence[Prompt], **draws: Any) -> list[Completion]:
        return generator.generate(
            [prompt.tokens for prompt in asked],
            max_tokens=self.max_tokens,
            stop_tokens=self.template.stop_tokens(generator.tokenizer),
            **draws,
        )

    def _episodes(self, generator: Generator, asked: Sequence[Prompt], **draws: Any) -> list[Completion]:
        """Answers that may call tools; the text is that of the last turn, the tokens are those of the model."""
        episodes = generate_with_tools(
            generator,
            [prompt.messages for prompt in asked],
            toolbox=self.toolbox,
            template=self.template,
            max_tokens=self.max_tokens,
            **draws,
        )
        return [
            Completion(
                each.text,
                [token for token, inserted in zip(each.tokens, each.inserted, strict=True) if not inserted],
                "stop_token" if each.reason == "calls" else each.reason,
            )
            for each in episodes
        ]

    def _moved(
        self,
        model: Transformer,
        reference: Transformer | None,
        asked: Sequence[Prompt],
        completions: Sequence[Completion],
    ) -> list[float]:
        """log π − log π_ref of each answer, in nats; empty without a reference."""
        if reference is None:
            return []
        rows = [([*prompt.tokens, *each.tokens], len(each.tokens)) for prompt, each in zip(asked, completions)]  # noqa: B905
        theirs, mine = answer_nats(reference, rows), answer_nats(model, rows)
        return [other - own for other, own in zip(theirs, mine, strict=True)]

    def _answer(self, prompt: Prompt, completion: Completion, tokenizer: Tokenizer) -> Answer:
        return Answer(
            prompt=tokenizer.decode(prompt.tokens),
            text=self.template.content(completion.text, tokenizer),
            messages=prompt.messages,
            reference=prompt.reference,
            tokens=len(completion.tokens),
            finished=completion.reason == "stop_token",
            place=prompt.place,
        )


def _asks(conversation: Conversation) -> bool:
    try:
        check_prompt(conversation)
    except ValueError:
        return False
    return True


def _with_half(reward: float | None, half: float | None) -> str:
    if reward is None:
        return "none"
    return f"{reward:.3f}" if half is None else f"{reward:.3f} ± {half:.3f}"
