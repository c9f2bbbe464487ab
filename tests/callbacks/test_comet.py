"""The Comet logger, held against what it passes to Comet's library."""

import json
import sys
from types import ModuleType, SimpleNamespace

import pytest

from lm.callbacks import Comet, MetricsFile
from lm.callbacks.comet import NOT_CAPTURED
from lm.process.distribution import install_command
from lm.process.failure import MISTAKE, report_failure
from support.training_runs import composed


class Experiment:
    def __init__(self, **given):
        self.given, self.parameters, self.metrics, self.ended = given, None, [], False

    def log_parameters(self, parameters, *, nested_support):
        self.parameters = parameters

    def log_metrics(self, metrics, *, step):
        assert not self.ended
        self.metrics.append((step, metrics))

    def end(self):
        self.ended = True


@pytest.fixture
def comet(monkeypatch):
    """Comet's library in the version that was tried by hand, as far as it is called; what it started."""
    library = ModuleType("comet_ml")
    library.started, library.settings = [], {}
    library.get_config = library.settings.get
    library.ExperimentConfig = lambda **given: SimpleNamespace(**given)
    library.start = lambda **given: library.started.append(Experiment(**given)) or library.started[-1]
    monkeypatch.setitem(sys.modules, "comet_ml", library)
    return library


@pytest.fixture
def directory(tmp_path):
    directory = tmp_path / "pretrain" / "first"
    directory.mkdir(parents=True)
    (directory / "config.json").write_text(json.dumps({"run": {"name": "first"}, "seed": 0}))
    return directory


def test_it_is_offline_captures_nothing_and_logs_config_and_metrics(comet, directory):
    logger = Comet(str(directory), project="lm", tags=["a"])
    assert comet.started == []  # nothing before the first metric
    logger.log_metrics({"train/loss": 1.5}, step=10)
    (experiment,) = comet.started
    assert experiment.given["online"] is False
    settings = vars(experiment.given["experiment_config"])
    assert {name: settings[name] for name in NOT_CAPTURED} == dict.fromkeys(NOT_CAPTURED, False)
    assert settings["offline_directory"] == str(directory / "comet")
    assert (directory / "comet").is_dir()
    assert settings["name"] == "first"
    assert experiment.parameters["seed"] == 0
    assert experiment.metrics == [(10, {"train/loss": 1.5})]
    logger.finalize("success")
    assert experiment.ended


def test_a_resumed_run_continues_its_experiment_with_what_was_lost(comet, directory):
    file = MetricsFile(str(directory))
    for step in (1, 2, 3):
        file.log_metrics({"train/loss": float(step)}, step=step)
    file.finalize("success")
    for step in (3, 4):
        Comet(str(directory), project="lm").log_metrics({"train/loss": 0.5}, step=step)
    first, second = comet.started
    assert first.given["experiment_key"] == second.given["experiment_key"]
    assert len(first.given["experiment_key"]) == 32
    assert [step for step, _ in first.metrics] == [1, 2, 3]
    assert [step for step, _ in second.metrics] == [1, 2, 3, 4]
    assert second.metrics[1] == (2, {"train/loss": 2.0})


def test_online_without_a_key_is_refused_before_anything_is_asked(comet, directory):
    with pytest.raises(ValueError, match=r"logger\.comet\.offline=false needs an API key: set COMET_API_KEY"):
        Comet(str(directory), project="lm", offline=False)
    comet.settings["comet.api_key"] = "key"
    Comet(str(directory), project="lm", offline=False).log_metrics({"train/loss": 1.0}, step=1)
    assert comet.started[0].given["online"] is True


def test_without_its_package_the_error_names_the_extra(directory, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "comet_ml", None)
    with pytest.raises(ImportError) as raised:
        Comet(str(directory), project="lm")
    assert report_failure(raised.value) == MISTAKE
    assert capsys.readouterr().err.endswith(f"{install_command('comet')}\n")


def test_the_option_keeps_metrics_csv_and_is_offline():
    config = composed("pretrain", "logger=comet")["logger"]
    assert config.keys() == {"csv", "comet"}
    assert config["comet"]["offline"] is True
    assert config["comet"]["offline_directory"] is None
