"""A tiny tuned model that the tests of several jobs start from."""

from pathlib import Path

import pytest

from support.alignments import make_tuned


@pytest.fixture(scope="session")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a tiny tuned model; see `make_tuned` for the files beside it."""
    return make_tuned(tmp_path_factory.mktemp("tuned"))
