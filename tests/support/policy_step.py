"""Optimizer steps of reinforcement learning in fp64 through the real trainer, for tests of partition and resume.

With plain gradient descent at rate 1 and no clipping, the change of the weights is the gradient.
"""

import os
from functools import cache, partial
from pathlib import Path

import torch
from lightning import Callback, Trainer

from lm.callbacks.resume import StepCounters
from lm.conversation import Conversation, Message
from lm.conversation.sources import ConversationSource
from lm.corpus import Split
from lm.data import RowDataModule
from lm.data.prompts import PromptData
from lm.generation import Sampling
from lm.model import Attention, Experts, SwiGLU, Transformer
from lm.optimizer import Plan
from lm.policy import GroupRelative, Policy, clip, token_mean, token_ratio
from lm.reward import Answer, AnswerReward, RewardSum
from lm.tokenizer import Tokenizer, train_bpe

CONTEXT, PROMPTS, GROUP, LONGEST = 24, 8, 3, 9


@cache
def tokenizer() -> Tokenizer:
    return train_bpe(["what is one and two? three. reverse abc\n"] * 4, vocab_size=262)


class Given(ConversationSource):
    """Conversations given in a list."""

    def __init__(self, conversations):
        self.conversations = list(conversations)

    def __iter__(self):
        return iter(self.conversations)

    def fingerprint(self) -> str:
        return "given"


class Letters(AnswerReward):
    """A reward that differs between nearly all texts, None at one length; and what it was, in order."""

    def __init__(self, *, unscorable: int = 0):
        self.unscorable, self.scores = unscorable, []

    def score(self, answer: Answer) -> float | None:
        unscorable = answer.tokens == self.unscorable
        self.scores.append(None if unscorable else sum(map(ord, answer.text)) % 7 / 7 + 0.01 * answer.tokens)
        return self.scores[-1]


def questions(count: int = PROMPTS) -> list[Conversation]:
    return [
        Conversation(
            (Message("user", "one and two? "[: 3 + number % 9] + str(number)), Message("assistant", "abc")),
            place=f"question {number}",
        )
        for number in range(count)
    ]


def network(dtype: torch.dtype = torch.float64, *, sparse: bool = False) -> Transformer:
    """Random weights under which the end of turn is as likely as needed for answers of unequal lengths."""
    torch.manual_seed(0)
    expert = partial(SwiGLU, hidden=16)
    model = Transformer(
        vocab_size=tokenizer().vocab_size,
        context=CONTEXT,
        dim=8,
        layers=2,
        attention=lambda dim: Attention(dim, heads=2, key_value_heads=1),
        feedforward=partial(Experts, expert=expert, experts=5, balance=0.5) if sparse else expert,
        tie_embeddings=False,
        dropout=0.2,
    )
    model.load_state_dict({k: torch.randn_like(v) * 0.5 for k, v in model.state_dict().items()})
    with torch.no_grad():
        model.output.weight *= 3
        model.output.weight[tokenizer().end_of_turn] *= 2
    return model.to(dtype)


def with_head(model: Transformer) -> Transformer:
    """Give it a value head with weights of its own."""
    torch.manual_seed(1)
    model.head = torch.nn.Linear(8, 1, dtype=model.output_weight.dtype)
    return model


def policy(model: torch.nn.Module, *, steps: int = 1, rate: float = 1.0, **parts) -> Policy:
    options = {
        "reward": RewardSum({"letters": Letters()}),
        "advantage": GroupRelative(),
        "ratio": token_ratio,
        "clipping": clip,
        "aggregation": token_mean,
        "sampling": Sampling(),
        "group_size": GROUP,
        "max_tokens": LONGEST,
        "gradient_clip": None,
        "validation_samples": 2,
    }
    return Policy(
        model,
        optimizer=lambda model: torch.optim.SGD([w for w in model.parameters() if w.requires_grad], lr=rate),
        schedule=lambda step, steps: 1.0,
        steps=steps,
        **(options | parts),
    )


def plan(rows_per_device: int, devices: int = 1, *, steps: int = 1) -> Plan:
    accumulate = PROMPTS // devices // rows_per_device
    return Plan(steps, PROMPTS, rows_per_device, accumulate, devices, CONTEXT)


class Seen(Callback):
    """What was rolled out and measured, step by step."""

    def __init__(self):
        self.texts: list[list[str]] = []
        self.metrics: list[dict[str, float]] = []
        self.batches: list = []  # micro-batches, and the weights before each
        self.weights: list[dict[str, torch.Tensor]] = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.batches.append(batch)
        self.weights.append({name: value.detach().clone() for name, value in pl_module.model.named_parameters()})

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if (batch_idx + 1) % trainer.accumulate_grad_batches == 0:
            self.metrics.append({name: float(value) for name, value in pl_module.step_metrics.items()})


def train(
    module: Policy,
    planned: Plan,
    *,
    strategy: str = "auto",
    precision: str = "64-true",
    resumed: Path | None = None,
    stop: int | None = None,
    seed: int = 3,
    count: int = PROMPTS,
    share: float = 0.0,
) -> tuple[Trainer, Seen]:
    """Train through Lightning, as `lm.jobs.train` does."""
    rows = PromptData(Given(questions(count)), split=Split(share), room=1).open(tokenizer=tokenizer(), context=CONTEXT)
    data_plan, seen = rows.plan(planned, seed=seed), Seen()
    module.begin(rows, seed=seed)
    trainer = Trainer(
        accelerator="cpu",
        devices=planned.devices,
        strategy=strategy,
        precision=precision,
        max_steps=planned.steps if stop is None else stop,
        max_epochs=-1,
        accumulate_grad_batches=planned.accumulate,
        use_distributed_sampler=False,
        callbacks=[StepCounters(), seen],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=None if share else 0,
        check_val_every_n_epoch=None,
        val_check_interval=planned.accumulate * planned.steps,
        num_sanity_val_steps=0,
    )
    trainer.fit(module, datamodule=RowDataModule(data_plan, prepare=module.prepare_step), ckpt_path=resumed)
    return trainer, seen


def gradient(
    rows_per_device: int, *, devices: int = 1, strategy: str = "auto", sparse: bool = False, **parts
) -> dict[str, torch.Tensor]:
    """The gradient of a step, by parameter, and under `metrics` what was measured."""
    model = network(sparse=sparse)
    model = with_head(model) if "advantage" in parts and parts["advantage"].needs_values else model
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    module = policy(model, **parts)
    _, seen = train(module, plan(rows_per_device, devices), strategy=strategy)
    found = {name: before[name] - value.detach() for name, value in model.named_parameters()}
    return found | {
        f"metric {name}": torch.tensor(value, dtype=torch.float64) for name, value in seen.metrics[0].items()
    }


def save_gradients(path: Path, environment: dict, rows_per_device: int, cases: dict[str, dict]) -> None:
    """As one rank of a group; several steps, each by the parts of its case."""
    os.environ.update(environment)
    torch.set_num_threads(1)
    found = {name: gradient(rows_per_device, devices=2, strategy="ddp", **parts) for name, parts in cases.items()}
    torch.save(found, path.with_suffix(f".{environment['LOCAL_RANK']}"))
