"""MLflow by Lightning's logger, in a database of the run's directory unless a server is named."""

import json
import os
from pathlib import Path

from lightning.pytorch.loggers import MLFlowLogger

from lm.files import write_atomically
from lm.process.ranks import is_first_process


def mlflow_logger(
    save_dir: str, *, experiment_name: str = "lm", run_name: str | None = None, tracking_uri: str | None = None
) -> MLFlowLogger:
    """Return a logger that continues the run of MLflow which an earlier process of this run started.

    MLflow refuses a folder of files since version 3, so the default is SQLite. Its telemetry is switched off.

    Args:
        save_dir: Directory of the run; `train` passes it.
        experiment_name: Experiment of MLflow.
        run_name: Name of the run in MLflow; null for one that MLflow draws.
        tracking_uri: Where to log, as http://localhost:5000; null for mlflow.db in the run's directory, to be shown by
            `mlflow ui --backend-store-uri sqlite:///outputs/pretrain/default/mlflow.db`.

    Returns:
        The logger.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # its usage statistics would be sent
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")  # it reports each table that it makes
    directory = Path(save_dir)
    file = directory / "mlflow.json"
    logger = MLFlowLogger(
        experiment_name=experiment_name,
        run_name=run_name,
        run_id=json.loads(file.read_bytes())["run_id"] if file.exists() else None,
        tracking_uri=tracking_uri or f"sqlite:///{directory}/mlflow.db",
        artifact_location=None if tracking_uri else str(directory / "mlflow"),
    )
    if is_first_process() and not file.exists():
        write_atomically(file, json.dumps({"run_id": logger.run_id}))
    return logger
