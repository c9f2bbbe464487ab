"""What the source of a class or function declares equals what an import finds."""

import re
import subprocess
import sys
from inspect import Parameter, isclass
from pathlib import Path

import pytest

from lm.config.declared import declared
from lm.config.hints import alternatives, describe_hint, part_complaint
from lm.config.outline import config_directory
from lm.config.target import locate, signature

TARGETS = sorted(
    {
        target
        for path in config_directory().rglob("*.yaml")
        for target in re.findall(r"_target_: *([\w.]+)", path.read_text())
    }
)
WRITTEN_IN_RUST = re.compile(r"tokenizers\.")
REFUSED = [
    ["pretrain", "modle=tiny"],
    ["pretrain", "model.dim=wide", "trainer.devces=2", "seed=-1", "run.name=1"],
    ["pretrain", "-m", "seed=0,1,x"],
    ["pipeline", "naem=x"],
    ["chat"],
]


@pytest.mark.parametrize("target", TARGETS)
def test_a_stand_in_has_the_parameters_of_the_real_thing(target: str) -> None:
    stand_in, _ = declared(target)
    if stand_in is None:
        assert WRITTEN_IN_RUST.match(target) or target.startswith("hydra_plugins"), "its source says enough"
        return
    real, complaint = locate(target)
    assert not complaint
    declares, has = signature(stand_in).parameters, signature(real).parameters
    assert [(name, each.kind) for name, each in declares.items()] == [(name, each.kind) for name, each in has.items()]
    for name, each in declares.items():
        assert (each.default is Parameter.empty) == (has[name].default is Parameter.empty), name
        if Parameter.empty not in (each.annotation, has[name].annotation):
            assert describe_hint(each.annotation) == describe_hint(has[name].annotation), name


@pytest.mark.parametrize("target", TARGETS)
def test_a_stand_in_fits_where_the_real_thing_fits(target: str) -> None:
    real, stand_in = locate(target)[0], declared(target)[0]
    if stand_in is None or not isclass(real):
        return
    for base in [each for each in real.__mro__ if each.__module__.startswith(("lm.", "lightning.", "torch."))]:
        if (declares := declared(f"{base.__module__}.{base.__qualname__}")[0]) is not None:
            assert part_complaint(stand_in, False, declares) == part_complaint(real, False, base) == ""


def test_hints_are_those_of_an_import() -> None:
    parameters = signature(declared("lm.jobs.train.train")[0]).parameters
    assert describe_hint(parameters["seed"].annotation) == "int, at least 0"
    assert "a factory of Trainer" in describe_hint(parameters["trainer"].annotation)
    assert str in alternatives(signature(declared("lm.directory.Run")[0]).parameters["name"].annotation)


@pytest.mark.parametrize("target", ["tokenizers.Tokenizer", "no.such.thing", "lm.nothing", "torch.tensor", "toy"])
def test_where_the_source_does_not_tell_there_is_no_stand_in_and_no_complaint(target: str) -> None:
    assert declared(target) == (None, "")


OWN = """
from enum import Enum
from dataclasses import dataclass
from functools import wraps
from mine_other import *

def plain(function): return lambda *a: function(*a)

def same(function):
    @wraps(function)
    def inner(*a): return function(*a)
    return inner

class Color(Enum):
    red = 1

@plain
def unknown(x: int): ...

@same
def known(x: int, *more: int, y: "str | None" = None, color: Color = Color.red, **rest): ...

@dataclass
class Fields:
    size: int
    name: str = "a"

@dataclass
class MoreFields(Fields):
    more: int = 0

class Inherits(Base): ...
"""


def test_a_package_of_the_users_own_is_read_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_parts.py").write_text(OWN)
    (tmp_path / "mine_other.py").write_text("from mine_parts import *\nclass Base:\n    def __init__(self, a): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert declared("mine_parts.unknown") == (None, "")  # its decorator may change the signature
    assert declared("mine_parts.MoreFields") == (None, "")
    assert declared("mine_parts.no_such_name") == (None, "")
    assert (
        str(signature(declared("mine_parts.known")[0])) == "(x: int, *more, y: str | None = None, color=None, **rest)"
    )
    assert str(signature(declared("mine_parts.Fields")[0])) == "(size: int, name: str = 'a')"
    assert str(signature(declared("mine_parts.Inherits")[0])) == "(a)"
    assert "mine_parts" not in sys.modules


def test_a_refusal_imports_neither_torch_nor_lightning(tmp_path: Path) -> None:
    script = (
        "import sys; from lm.cli.main import main\n"
        f"for words in {REFUSED!r}:\n"
        "    print(main(words), *{'torch', 'lightning', 'tokenizers', 'optuna'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["2"] * len(REFUSED), done.stderr
