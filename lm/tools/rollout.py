"""Generate answers whose calls of tools are run on the way, as one sequence of tokens each."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from torch import Generator as RandomGenerator

from lm.conversation import Conversation, Message, Template
from lm.generation import Generator, Sampling, random_generator
from lm.tools.toolbox import Toolbox


@dataclass
class Episode:
    """What follows a prompt: the model's tokens, and between them those of tool results.

    Args:
        prompt: Token ids of the prompt.
        messages: The turns after the prompt: answers with calls, tool results, and the last answer.
        tokens: Token ids after the prompt.
        inserted: True for tokens that the template and the tools wrote, not the model [len(tokens)]: they are neither
            supervised nor given gradient.
        reason: Why it ended: `stop_token`, `length`, or `calls` for a model that calls on beyond the limit.
        calls: Number of calls.
    """

    prompt: list[int]
    messages: list[Message] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    inserted: list[bool] = field(default_factory=list)
    reason: str = ""
    calls: int = 0

    @property
    def text(self) -> str:
        """The last answer."""
        return next((each.content for each in reversed(self.messages) if each.role == "assistant"), "")


def generate_with_tools(
    generator: Generator,
    conversations: Sequence[Sequence[Message]],
    *,
    toolbox: Toolbox,
    template: Template,
    sampling: Sampling,
    max_tokens: int | Sequence[int],
    generators: Sequence[RandomGenerator] | None = None,
    seed: int = 0,
) -> list[Episode]:
    """Answer conversations as one batch; an answer that calls tools continues after their results.

    The tokens of an episode are what the model read and wrote, never encoded again from text: a policy's
    log-probabilities hold for them.

    Args:
        generator: The model with its tokenizer.
        conversations: The turns before each answer.
        toolbox: The tools.
        template: How turns are written as tokens; it needs a tool turn.
        sampling: How tokens are chosen.
        max_tokens: Maximum number of tokens of an episode, inserted ones included; one for all or one for each.
        generators: A generator of the draws of each row, in place of those that follow from seed and place.
        seed: Seed of the random draws; a row's episode does not depend on its neighbours.

    Raises:
        ValueError: The template has no tool turn, or writes earlier turns otherwise once others follow.
    """
    toolbox.check(template, generator.tokenizer)
    shown = [toolbox.shown(messages, template) for messages in conversations]
    stop = template.stop_tokens(generator.tokenizer)
    episodes = [Episode(template.prompt(turns, generator.tokenizer, tools=tools)) for turns, tools in shown]
    limits = [max_tokens] * len(episodes) if isinstance(max_tokens, int) else [*max_tokens]
    generators = generators or [random_generator(seed, row) for row in range(len(episodes))]
    while open_ := [number for number, each in enumerate(episodes) if not each.reason]:
        left = [0 if each.reason else limit - len(each.tokens) for each, limit in zip(episodes, limits, strict=True)]
        completions = generator.generate(
            [[*each.prompt, *each.tokens] for each in episodes],
            sampling=sampling,
            max_tokens=left,
            stop_tokens=stop,
            generators=generators,
        )
        for number in open_:
            completion, episode = completions[number], episodes[number]
            episode.tokens += completion.tokens
            episode.inserted += [False] * len(completion.tokens)
            text = template.content(completion.text, generator.tokenizer)
            episode.messages.append(Message("assistant", text))
            results = toolbox.results(text, called=episode.calls) if completion.reason == "stop_token" else []
            beyond = episode.calls >= toolbox.max_calls
            if not results or beyond:
                episode.reason = "calls" if results else completion.reason
                continue
            episode.calls += len(results)
            turns, tools = shown[number]
            added = inserted_tokens(
                [*turns, *episode.messages], results, template=template, generator=generator, tools=tools
            )
            if len(episode.tokens) + len(added) >= limits[number]:
                episode.reason = "length"
                continue
            episode.messages += results
            episode.tokens += added
            episode.inserted += [True] * len(added)
    return episodes


def inserted_tokens(
    messages: Sequence[Message],
    results: Sequence[Message],
    *,
    template: Template,
    generator: Generator,
    tools: Sequence[dict] = (),
) -> list[int]:
    """Return the tokens between the stop token of the last answer and the beginning of the next one.

    Args:
        messages: The turns up to and including an answer with calls.
        results: The tool turns that follow it.
        template: How turns are written as tokens.
        generator: The model, for its tokenizer.
        tools: The tools of the conversation, for a template that writes them.

    Raises:
        ValueError: The template has no tool turn, or writes the answer otherwise once results follow.
    """
    tokenizer = generator.tokenizer
    before = [replace(each, supervised=False) for each in messages[:-1]]
    whole = Conversation((*before, messages[-1]), tools=tuple(tools))
    encoded = template.encode(whole, tokenizer)
    end = len(encoded.supervised) - encoded.supervised[::-1].index(True)
    prompt = template.prompt([*whole.messages, *results], tokenizer, tools=tools)
    if prompt[:end] != encoded.tokens[:end]:
        raise ValueError(
            "the template writes an answer with calls otherwise once results follow it, so its tokens cannot be kept: "
            "use a template that does not, as chatml"
        )
    return prompt[end:]
