"""A class that a command exchanges by `_target_` alone is refused with words that work when they are copied."""

import re
import shlex

import pytest

from lm.config.command import examine_command
from lm.config.composition import Composition
from lm.config.outline import config_directory

TORCH = "optimizer._target_=torch.optim."


@pytest.fixture(scope="module")
def composition() -> Composition:
    return Composition("pretrain", directory=config_directory())


def faults(composition: Composition, *words: str) -> list[str]:
    return [*map(str, examine_command(composition, ["data.path=x", "optimizer=adamw", *words], multirun=False)[1])]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            [f"{TORCH}Adafactor"],
            "does not take learning_rate and betas of optimizer=adamw; write with it '~optimizer.learning_rate' "
            "+optimizer.lr=0.003 '~optimizer.betas'",
        ),
        (
            [f"{TORCH}SGD", "+optimizer.lr=0.1"],
            "does not take learning_rate and betas of optimizer=adamw; write with it '~optimizer.learning_rate' "
            "'~optimizer.betas'",
        ),
        (
            ["optimizer=adafactor", f"{TORCH}Rprop"],
            "does not take weight_decay of optimizer=adafactor; write with it '~optimizer.weight_decay'",
        ),
        (
            ["schedule._target_=lm.optimizer.constant"],
            "does not take decay and minimum of schedule=warmup_stable_decay; write with it '~schedule.decay' "
            "'~schedule.minimum'",
        ),
    ],
)
def test_keys_that_another_class_does_not_take_are_one_fault_whose_remedy_works(words, told, composition):
    exchanged = next(each for each in words if "_target_" in each)
    assert faults(composition, *words) == [f"{exchanged}: {told}"]
    assert faults(composition, *words, *shlex.split(told.partition("write with it ")[2])) == []


def test_a_key_of_the_other_class_is_added_to_it(composition):
    found = faults(composition, f"{TORCH}SGD", "optimizer.lr=0.1", "~optimizer.learning_rate", "~optimizer.betas")
    assert found == ["optimizer.lr: is not in the YAML; to add it, write +optimizer.lr=0.1"]


def test_a_misspelt_key_of_the_command_is_still_told_alone(composition):
    found = faults(composition, f"{TORCH}SGD", "+optimizer.lrr=0.1", "~optimizer.learning_rate", "~optimizer.betas")
    assert found == ["optimizer.lrr: unknown key of torch.optim.SGD; did you mean lr?"]


@pytest.mark.parametrize(
    ("word", "options"),
    [
        (
            "schedule._target_=torch.optim.lr_scheduler.CosineAnnealingLR",
            ["schedule=warmup_stable_decay", "schedule=constant", "schedule=cosine"],
        ),
        ("data._target_=torch.utils.data.DataLoader", ["data=pretraining", "data=instruction", ".*"]),
        ("data._target_=lightning.LightningDataModule", ["data=pretraining", "data=instruction", ".*"]),
    ],
)
def test_a_class_of_another_kind_is_one_fault_with_the_options_there_are(word, options, composition):
    (found,) = faults(composition, word)
    assert re.search(rf"builds {word.rpartition('.')[2]}, but .* is wanted; choose {' or '.join(options)}$", found)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("trainer.strategy=deepspeed", "write trainer=fsdp"),
        ("trainer.strategy=ddp", "write trainer=ddp"),
        ("schedule=linear", "write schedule=warmup_stable_decay schedule.decay=1.0"),
        ("optimizer=adam", "write optimizer=adamw"),
        (
            "trainer.strategy={_target_: lightning.pytorch.strategies.DDPStrategy}",
            "to add it, write '+trainer.strategy={_target_: lightning.pytorch.strategies.DDPStrategy}'",
        ),
    ],
)
def test_a_part_of_another_tool_is_answered_with_words_that_compose(word, meant, composition):
    (found,) = faults(composition, word)
    assert found.endswith(meant)
    assert faults(composition, *shlex.split(meant.partition("write ")[2])) == []
