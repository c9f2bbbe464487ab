"""A command is composed and checked once per distinct set of options, however many faults and values it has."""

from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from omegaconf import OmegaConf

from lm.cli.main import main
from lm.config.composition import Composition
from lm.config.outline import config_directory


@pytest.fixture
def composed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The options of each composition that Hydra makes from files."""
    seen, load = [], ConfigLoaderImpl.load_configuration

    def counted(loader: ConfigLoaderImpl, name: str, overrides: list[str], *others: object) -> object:
        seen.append(tuple(each for each in overrides if not each.startswith("hydra/job_logging=none")))
        return load(loader, name, overrides, *others)

    monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", counted)
    return seen


SEARCH = "pretrain -m hydra/sweeper=optuna hydra/sweeper/pruner=median seed=0,1,2,3"


@pytest.mark.parametrize(
    ("line", "most"),
    {
        "pretrain modle=tiny": 1,
        "pretrain modle=tiny seed=-1 trainer.devces=2 optimizer.lr=1 budget.token=3": 1,
        "pretrain -m modle=tiny seed=0,1,2,3,4,5,6,7": 1,
        "pretrain -m seed=0,1,2,3,x": 1,
        "pretrain model=small trainer=cpu modle=tiny": 2,  # the groups of the job are asked for
        "pretrain -m model=small,tiny,bgi seed=0,1,2,3,4,x": 4,
        f"{SEARCH} hydra.sweeper.pruner.xx=3": 3,
        f"{SEARCH} hydra.sweeper.trails=3": 3,
    }.items(),
)
def test_a_refusal_composes_once_per_set_of_options(line: str, most: int, composed: list, capsys) -> None:
    assert main(line.split()) == 2
    assert len(composed) <= most, composed
    assert len({*composed}) == len(composed)


def test_values_are_set_on_a_copy(composed: list) -> None:
    composition = Composition("pretrain", directory=config_directory())
    first, second = composition.compose(["seed=1", "+model.bias=true"]), composition.compose(["seed=2"])
    assert (first.seed, second.seed, first.model.bias, "bias" in second.model) == (1, 2, True, False)
    assert first.hydra.overrides.task == ["seed=1", "+model.bias=true"]
    assert second.hydra.overrides.task == ["seed=2"]
    assert second.hydra.job.override_dirname == "seed=2"
    assert len(composed) == 1


def written(directory: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(text)
    return directory


def test_a_config_does_not_depend_on_those_composed_before(tmp_path: Path) -> None:
    files = {
        "noted.yaml": "# Noted.\ndefaults: [_self_, {note: none}]\npart: {size: 1}\n",
        "note/none.yaml": "{}\n",
        "note/large.yaml": "# @package _global_\npart: {size: 9}\n",
        "note/red.yaml": "# @package _global_\npart: {colour: red}\n",
    }
    composition = Composition("noted", directory=config_directory(), extra=written(tmp_path, files))
    found = [composition.compose([f"note={each}"]).part for each in ("large", "red", "none", "large")]
    assert found == [{"size": 9}, {"size": 1, "colour": "red"}, {"size": 1}, {"size": 9}]


def test_each_file_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed, load = [], OmegaConf.load

    def counted(file: TextIO) -> object:
        parsed.append(file.name)
        return load(file)

    monkeypatch.setattr(OmegaConf, "load", counted)
    composition = Composition("pretrain", directory=config_directory())
    for options in (["model=nano"], ["model=tiny"], []):
        composition.compose(options)
    assert len({*parsed}) == len(parsed) > 20


@pytest.mark.parametrize(("options", "note"), [([], "of plain"), (["kind=other"], "of other")])
def test_an_option_may_be_named_by_another_choice(options: list[str], note: str, tmp_path: Path) -> None:
    files = {
        "noted.yaml": "# Noted.\ndefaults: [{kind: plain}, {note: '${kind}'}]\n",
        "kind/plain.yaml": "a: 1\n",
        "kind/other.yaml": "a: 2\n",
        "note/plain.yaml": "text: of plain\n",
        "note/other.yaml": "text: of other\n",
    }
    composition = Composition("noted", directory=config_directory(), extra=written(tmp_path, files))
    assert composition.compose(options).note.text == note


def test_options_of_a_search_path_given_by_the_command_are_found(tmp_path: Path, composed: list) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "one.yaml").write_text("a: 1\n")
    composition = Composition("pretrain", directory=config_directory())
    config = composition.compose([f"hydra.searchpath=[file://{tmp_path}]", "+mine=one"])
    assert config.mine == {"a": 1}


def test_a_command_that_runs_is_composed_once(
    composed: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys, own_job: Callable[[], Path]
) -> None:
    assert main(["greet", "name=you", "--config-dir", str(own_job())]) == 0
    assert len(composed) == 1


@pytest.fixture
def own_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    def make() -> Path:
        (tmp_path / "conf").mkdir()
        (tmp_path / "conf" / "greet.yaml").write_text("# Greet.\n_target_: mine_greeting.greet\nname: x\n")
        (tmp_path / "mine_greeting.py").write_text("def greet(name: str) -> None:\n    print(name)\n")
        monkeypatch.syspath_prepend(tmp_path)
        return tmp_path / "conf"

    return make
