"""Generate from the same prompts at each validation: continuations or chat replies."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lightning import Callback, LightningModule, Trainer

from lm.bounds import Natural, NonNegative
from lm.callbacks.loggers import TextLogger
from lm.conversation import Message, RoleTokenTemplate
from lm.generation import Completion, Generator, Sampling
from lm.parallel import placement_of
from lm.tokenizer import load_tokenizer


class Samples(Callback):
    """Continue a few prompts at each validation and append the texts to the run's samples.txt.

    Loggers that take texts receive them as a table. A prompt that does not fit the context is reported in place of a
    continuation.

    Args:
        prompts: Texts to continue, each as the start of a document; null takes how held-out documents begin.
        max_tokens: Maximum number of tokens per continuation.
        temperature: Softmax temperature; 0 is greedy decoding. Nucleus sampling keeps the top 0.95.
        seed: Seed of the sampling, the same at each validation, so that differences come from the weights.
    """

    def __init__(self, *, prompts: list[str] | None, max_tokens: Natural = 64, temperature: float = 0.7, seed: int = 0):
        self.prompts, self.max_tokens, self.seed = prompts, max_tokens, seed
        self.sampling = Sampling(temperature=temperature, top_p=0.95)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        prompts = _prompts(self.prompts, trainer)
        model = placement_of(trainer.strategy).whole_model() if prompts else None
        if model is None:
            return
        tokenizer = load_tokenizer(trainer.default_root_dir)
        encoded = {prompt: [*tokenizer.opening, *tokenizer.encode(prompt)] for prompt in prompts}
        fitting = {prompt: tokens for prompt, tokens in encoded.items() if len(tokens) < model.context}
        completions = Generator(model, tokenizer).generate(
            list(fitting.values()),
            sampling=self.sampling,
            max_tokens=self.max_tokens,
            seed=self.seed,
            stop_tokens=tokenizer.ends,
        )
        texts = _too_long(encoded, model.context)
        texts |= {prompt: completion.text for prompt, completion in zip(fitting, completions, strict=True)}
        _append(trainer, [f"{prompt}{text}" for prompt, text in texts.items()])
        rows = [{"prompt": prompt, "completion": text} for prompt, text in texts.items()]
        for logger in trainer.loggers:
            if isinstance(logger, TextLogger):
                logger.log_texts("samples", rows, step=trainer.global_step)


class Replies(Callback):
    """Reply to a few prompts at each validation, in the chat template of the data, and append to samples.txt.

    A mark after each reply says whether the model ended its turn, which is what a model learns first. A prompt that
    does not fit the context is reported in place of a reply. Where validation answers prompts itself, as in
    reinforcement learning, its answers are appended with their rewards.

    Args:
        prompts: User messages, each of a conversation of its own; null takes questions of held-out conversations.
        system: System message in front of each prompt; null for none.
        max_tokens: Maximum number of tokens per reply.
        temperature: Softmax temperature; 0 is greedy decoding. Nucleus sampling keeps the top 0.95.
        seed: Seed of the sampling, the same at each validation, so that differences come from the weights.
    """

    def __init__(
        self,
        *,
        prompts: list[str] | None,
        system: str | None = None,
        max_tokens: Natural = 64,
        temperature: NonNegative = 0.7,
        seed: int = 0,
    ):
        self.prompts, self.max_tokens, self.seed = prompts, max_tokens, seed
        self.opening = [] if system is None else [Message("system", system)]
        self.sampling = Sampling(temperature=temperature, top_p=0.95)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        prompts = _prompts(self.prompts, trainer)
        if not trainer.is_global_zero or not prompts:
            return
        if self.prompts is None and pl_module.replies:  # validation has answered, and rewards have scored
            _append(trainer, pl_module.replies)
            return
        rows = trainer.datamodule.data_plan.rows
        tokenizer, template = rows.tokenizer, rows.template or RoleTokenTemplate()
        context = pl_module.model.context
        encoded = {prompt: template.prompt([*self.opening, Message("user", prompt)], tokenizer) for prompt in prompts}
        fitting = {prompt: tokens for prompt, tokens in encoded.items() if len(tokens) < context}
        completions = Generator(pl_module.model, tokenizer).generate(
            list(fitting.values()),
            sampling=self.sampling,
            max_tokens=self.max_tokens,
            seed=self.seed,
            stop_tokens=template.stop_tokens(tokenizer),
        )
        replies = _too_long(encoded, context)
        replies |= {prompt: _marked(reply) for prompt, reply in zip(fitting, completions, strict=True)}
        _append(trainer, [f"user   {prompt}\nmodel  {reply}" for prompt, reply in replies.items()])


def _prompts(given: Sequence[str] | None, trainer: Trainer) -> Sequence[str]:
    """The prompts of the config, or those that the data have."""
    return trainer.datamodule.data_plan.rows.prompts if given is None else given


def _too_long(prompts: Mapping[str, Sequence[int]], context: int) -> dict[str, str]:
    """The note on each prompt that does not fit."""
    return {prompt: f"({len(tokens)} tokens do not fit the context of {context})" for prompt, tokens in prompts.items()}


def _marked(reply: Completion) -> str:
    """The text of a reply and whether it ended its turn."""
    return reply.text + (" ▪" if reply.reason == "stop_token" else " … (did not end its turn)")


def _append(trainer: Trainer, texts: list[str]) -> None:
    with open(Path(trainer.default_root_dir) / "samples.txt", "a", encoding="utf-8") as file:
        file.writelines(f"── step {trainer.global_step} ──\n{text}\n\n" for text in texts)
