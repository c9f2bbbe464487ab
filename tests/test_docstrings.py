"""Whatever YAML can name documents every parameter of its constructor or function."""

import re
from inspect import Parameter

import pytest

from lm.config.docstrings import describe, parameter_lines
from lm.config.outline import config_directory
from lm.config.target import locate, signature

TARGET = re.compile(r"_target_: *['\"]?((?:lm|hydra_plugins\.lm)\.[\w.]+)")
BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
# What code puts into a config, not YAML.
NAMED_IN_CODE = ("lm.sweep.pruning.Pruning",)


def targets() -> list[str]:
    """Every `_target_` of this package in any option of any group."""
    found = {name for path in config_directory().rglob("*.yaml") for name in TARGET.findall(path.read_text())}
    return sorted({*found, *NAMED_IN_CODE})


@pytest.mark.parametrize("target", targets())
def test_every_parameter_has_its_line_under_args(target: str) -> None:
    found, complaint = locate(target)
    assert not complaint
    definition, parameters = describe(target), signature(found).parameters
    named = [name for name, each in parameters.items() if each.kind in BY_NAME]
    missing = [name for name in named if len(definition.parameters[name].text) < 8]
    assert missing == [], f"{definition.file}:{definition.line}: no `Args:` line for {', '.join(missing)}"


@pytest.mark.parametrize("target", targets())
def test_signatures_read_from_source_are_those_that_python_sees(target: str) -> None:
    parameters = signature(locate(target)[0]).parameters
    read = describe(target).parameters
    assert [*read] == [name for name, each in parameters.items() if each.kind in BY_NAME]
    for name, each in read.items():
        assert (each.default is None) == (parameters[name].default is Parameter.empty), name


def test_lines_of_args_are_joined_and_end_with_the_section() -> None:
    docstring = """Detect spikes.

    Args:
        window: Steps in the running median,
            at least 2.
        threshold (float): Robust deviations: 1.4826 × MAD.
        **options: Passed on.

    Returns:
        other: Nothing to do with it.
    """
    assert parameter_lines(docstring) == {
        "window": "Steps in the running median, at least 2.",
        "threshold": "Robust deviations: 1.4826 × MAD.",
        "options": "Passed on.",
    }


def test_library_classes_are_read_too() -> None:
    trainer = describe("lightning.Trainer")
    assert trainer.parameters["devices"].text.startswith("The devices to use")
    assert trainer.file.name == "trainer.py"
    assert describe("torch.nn.RMSNorm").parameters["eps"].default == "None"
    assert describe("builtins.dict") is None
