"""A command is composed and checked once per distinct set of options, however many faults and values it has."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl

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
