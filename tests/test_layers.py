"""The layers are a contract: the package keeps it, and each way to break it is reported."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINT = shutil.which("lint-imports", path=str(Path(sys.executable).parent))

pytestmark = pytest.mark.skipif(LINT is None, reason="import-linter is not installed: pip install 'lightning-lm[test]'")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the package and of the contracts."""
    shutil.copytree(ROOT / "lm", tmp_path / "lm", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def plant(tree: Path, file: str, line: str) -> None:
    path = tree / "lm" / file
    path.write_text(f"{path.read_text() if path.exists() else ''}\n{line}\n")


def broken(tree: Path) -> list[str]:
    """The lines that import-linter prints on what is broken in the tree, and not in any that is installed."""
    done = subprocess.run([LINT, "--no-cache"], cwd=tree, capture_output=True, text=True)
    assert (done.returncode == 0) == ("0 broken" in done.stdout), done.stdout + done.stderr
    return done.stdout.partition("Broken contracts")[2].splitlines()


def test_the_tree_keeps_its_contracts(tree: Path) -> None:
    assert broken(tree) == []


PLANTED = {
    "an import from a higher layer": (
        "tokenizer/load.py", "from lm.data import order", "lm.tokenizer.load -> lm.data",
    ),
    "an import of the command": ("model/cache.py", "import lm.cli.main", "lm.model.cache -> lm.cli.main"),
    "an import inside a function": (
        "directory/run.py", "def late():\n    from lm.jobs import train", "lm.directory.run -> lm.jobs.train",
    ),
    "packages of one layer that import each other": (
        "filtering/pieces.py", "from lm.generation import Sampling", "lm.filtering.pieces -> lm.generation",
    ),
    "data and evaluation that import each other": (
        "evaluation/bits.py", "import lm.data.order", "lm.evaluation.bits -> lm.data.order",
    ),
    "Hydra in the model": ("model/transformer.py", "import hydra", "lm.model.transformer -> hydra"),
    "Hydra in a job": ("jobs/train.py", "from hydra.utils import instantiate", "lm.jobs.train -> hydra"),
    "OmegaConf in the command": ("cli/main.py", "import omegaconf", "lm.cli.main -> omegaconf"),
    "a module in no layer": ("utils.py", "x = 1", "utils"),
}  # fmt: skip


@pytest.mark.parametrize(("file", "line", "output"), PLANTED.values(), ids=PLANTED.keys())
def test_a_broken_contract_is_reported(file: str, line: str, output: str, tree: Path) -> None:
    plant(tree, file, line)
    assert any(output in each for each in broken(tree)), broken(tree)
