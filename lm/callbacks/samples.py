"""What the model writes while it learns: the same prompts, at every validation."""

from pathlib import Path

from lightning import Callback, LightningModule, Trainer

from lm.bounds import Natural
from lm.callbacks.text_logger import TextLogger
from lm.generation import Generator, Sampling
from lm.parallel.strategy import whole_model
from lm.tokenizer import load_tokenizer


class Samples(Callback):
    """Continue a few fixed prompts at each validation and append the texts to the run's samples.txt.

    Loggers that take texts have them as a table.
    """

    def __init__(self, *, prompts: list[str], max_tokens: Natural = 64, temperature: float = 0.7, seed: int = 0):
        self.prompts, self.max_tokens, self.seed = prompts, max_tokens, seed
        self.sampling = Sampling(temperature=temperature, top_p=0.95)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        model = whole_model(trainer.strategy, pl_module) if self.prompts else None
        if model is None:
            return
        tokenizer = load_tokenizer(trainer.default_root_dir)
        generator = Generator(model, tokenizer)
        completions = generator.generate(
            [[tokenizer.end_of_document, *tokenizer.encode(prompt)] for prompt in self.prompts],
            sampling=self.sampling,
            max_tokens=self.max_tokens,
            seed=self.seed,
            stop_tokens=[tokenizer.end_of_document],
        )
        with open(Path(trainer.default_root_dir) / "samples.txt", "a", encoding="utf-8") as file:
            for prompt, completion in zip(self.prompts, completions, strict=True):
                file.write(f"── step {trainer.global_step} ──\n{prompt}{completion.text}\n\n")
        rows = [
            {"prompt": prompt, "completion": completion.text}
            for prompt, completion in zip(self.prompts, completions, strict=True)
        ]
        for logger in trainer.loggers:
            if isinstance(logger, TextLogger):
                logger.log_texts("samples", rows, step=trainer.global_step)
