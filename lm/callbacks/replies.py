"""What the model answers while it learns to: the same prompts, at every validation."""

from pathlib import Path

from lightning import Callback, LightningModule, Trainer

from lm.bounds import Natural, NonNegative
from lm.conversation import Message, RoleTokens
from lm.generation import Completion, Generator, Sampling


class Replies(Callback):
    """Say each of a few fixed prompts, as a user in the template of the data, and append the replies to samples.txt.

    Behind a reply stands whether it ended its turn, which is what a model learns first. A `system` speaks before each
    prompt. A prompt that the context has no room for is said to be so.
    """

    def __init__(
        self,
        *,
        prompts: list[str],
        system: str | None = None,
        max_tokens: Natural = 64,
        temperature: NonNegative = 0.7,
        seed: int = 0,
    ):
        self.prompts, self.max_tokens, self.seed = prompts, max_tokens, seed
        self.opening = [] if system is None else [Message("system", system)]
        self.sampling = Sampling(temperature=temperature, top_p=0.95)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero or not self.prompts:
            return
        tokenizer, template = trainer.datamodule.tokenizer, trainer.datamodule.template or RoleTokens()
        context = pl_module.model.context
        asked = {
            prompt: template.prompt([*self.opening, Message("user", prompt)], tokenizer) for prompt in self.prompts
        }
        fitting = {prompt: tokens for prompt, tokens in asked.items() if len(tokens) < context}
        replies = Generator(pl_module.model, tokenizer).generate(
            list(fitting.values()),
            sampling=self.sampling,
            max_tokens=self.max_tokens,
            seed=self.seed,
            stop_tokens=template.stop_tokens(tokenizer),
        )
        said = {prompt: _told(reply) for prompt, reply in zip(fitting, replies, strict=True)}
        with open(Path(trainer.default_root_dir) / "samples.txt", "a", encoding="utf-8") as file:
            for prompt, tokens in asked.items():
                reply = said.get(prompt, f"(takes {len(tokens)} tokens, and the context is {context})")
                file.write(f"── step {trainer.global_step} ──\nuser   {prompt}\nmodel  {reply}\n\n")


def _told(reply: Completion) -> str:
    return reply.text + (" ▪" if reply.reason == "stop_token" else " … (did not end its turn)")
