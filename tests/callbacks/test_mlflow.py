"""MLflow logs into the run's directory, and sends nothing, unless a server is named."""

import os
from types import SimpleNamespace

import pytest

from lm.callbacks import mlflow as module
from lm.callbacks import mlflow_logger
from support.training_runs import composed


@pytest.fixture
def given(monkeypatch):
    """What Lightning's logger is given, which needs MLflow."""
    calls = []
    made = SimpleNamespace(run_id="r1")
    monkeypatch.setattr(module, "MLFlowLogger", lambda **options: calls.append(options) or made)
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY", raising=False)
    return calls


def test_the_default_is_a_database_in_the_run_without_telemetry(given, tmp_path):
    mlflow_logger(str(tmp_path), run_name="a")
    assert given[0]["tracking_uri"] == f"sqlite:///{tmp_path}/mlflow.db"
    assert given[0]["artifact_location"] == f"{tmp_path}/mlflow"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    os.environ.pop("MLFLOW_DISABLE_TELEMETRY")


def test_a_server_that_is_named_is_taken_as_it_is(given, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "false")
    mlflow_logger(str(tmp_path), tracking_uri="http://localhost:5000")
    assert given[0]["tracking_uri"] == "http://localhost:5000"
    assert given[0]["artifact_location"] is None
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "false"


def test_the_same_directory_continues_its_run(given, tmp_path):
    for _ in range(2):
        mlflow_logger(str(tmp_path))
    assert [each["run_id"] for each in given] == [None, "r1"]


def test_the_option_names_the_run():
    config = composed("pretrain", "logger=mlflow", "run.name=mine")["logger"]["mlflow"]
    assert config["run_name"] == "mine"
    assert config["tracking_uri"] is None
