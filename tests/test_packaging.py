"""The wheel holds all that `lm` needs and nothing else, and works where it is unpacked."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
from email import message_from_string
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]

pytest.importorskip("hatchling", reason="hatchling is not installed: pip install 'lightning-lm[test]'")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    place = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    [file] = place.iterdir()
    with ZipFile(file) as archive:
        yield archive


def below(directory: str, suffix: str) -> set[str]:
    return {path.relative_to(ROOT).as_posix() for path in (ROOT / directory).rglob(f"*{suffix}")}


def read(wheel: ZipFile, name: str) -> str:
    [path] = [each for each in wheel.namelist() if each.endswith(f".dist-info/{name}")]
    return wheel.read(path).decode()


def test_the_wheel_holds_every_module_every_page_and_every_yaml_and_nothing_else(wheel: ZipFile) -> None:
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    modules = {
        path.removeprefix("lm/plugins/") for path in below("lm", ".py")
    }  # Hydra's plugins lie beside the package
    pages = below("lm", ".md") | {"lm/conf/README.md"}
    assets = {path for kind in (".html", ".js", ".css", ".LICENSE") for path in below("lm", kind)}
    assert packed == modules | pages | assets | {f"lm/{path}" for path in below("conf", ".yaml")}
    assert "hydra_plugins/lm.py" in packed


def test_the_wheel_holds_the_licence_and_the_command(wheel: ZipFile) -> None:
    assert read(wheel, "licenses/LICENSE") == (ROOT / "LICENSE").read_text()
    assert read(wheel, "entry_points.txt").split("\n")[:2] == ["[console_scripts]", "lm = lm.__main__:start"]


def test_the_wheel_pins_the_versions_it_was_tested_with(wheel: ZipFile) -> None:
    metadata = message_from_string(read(wheel, "METADATA"))
    assert (metadata["Name"], Path(wheel.filename).name.split("-")[0]) == ("lightning-lm", "lightning_lm")
    assert metadata["License-Expression"] == "Apache-2.0"
    required = " ".join(metadata.get_all("Requires-Dist"))
    for package in ("torch", "lightning", "hydra-core", "omegaconf"):
        assert f"{package}<" in required, required


def test_the_wheel_unpacked_lists_the_jobs_from_its_own_yaml(wheel: ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path / "site")
    (tmp_path / "site" / "lm" / "conf" / "planted.yaml").write_text("# Only in this wheel.\n")
    (tmp_path / "elsewhere").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "lm"],
        cwd=tmp_path / "elsewhere",
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
    )
    jobs = {path.stem for path in (ROOT / "conf").glob("*.yaml") if path.name[0] != "_"} | {"planted"}
    listed = {line.split()[0] for line in done.stdout.splitlines() if re.match(r"  \S", line)}
    assert (done.returncode, listed, done.stderr) == (0, jobs, "")
    assert "Only in this wheel." in done.stdout


def test_the_wheel_unpacked_prints_its_pages(wheel: ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path / "site")
    for topic, page in {"config": "lm/config/README.md", "conf": "conf/README.md"}.items():
        done = subprocess.run(
            [sys.executable, "-m", "lm", "help", topic],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
            capture_output=True,
            text=True,
        )
        assert (done.stdout.strip(), done.stderr) == ((ROOT / page).read_text().strip(), "")


def test_hydra_finds_our_plugins_in_the_wheel_unpacked(wheel: ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    script = (
        "import sys; from hydra.core.plugins import Plugins; Plugins.instance(); "
        "print(sys.modules['hydra_plugins.lm'].__file__, *Plugins.instance().class_name_to_class)"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    file, *found = done.stdout.split()
    assert (Path(file), done.stderr) == (tmp_path / "hydra_plugins/lm.py", "")
    assert "hydra_plugins.lm.Optuna" in found


def test_an_editable_install_finds_the_plugins_where_they_are_edited(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel:editable", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [file] = tmp_path.iterdir()
    with ZipFile(file) as archive:
        [paths] = [archive.read(name).decode().split() for name in archive.namelist() if name.endswith(".pth")]
        assert not [name for name in archive.namelist() if name.startswith("hydra_plugins")]  # a copy would grow old
    assert paths == [str(ROOT), str(ROOT / "lm/plugins")]
    assert (ROOT / "lm/plugins/hydra_plugins/lm.py").exists()


@pytest.fixture(scope="module")
def installed(wheel: ZipFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of the wheel in an environment of its own, which sees what it requires and not the checkout."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, with_pip=False, symlinks=os.name != "nt")
    folder = "Scripts" if os.name == "nt" else "bin"
    python = place / folder / Path(sys.executable).name
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-index", "--no-deps"]
    done = subprocess.run([*install, str(wheel.filename)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    variables = {"base": str(place), "platbase": str(place)}
    site = Path(sysconfig.get_path("purelib", "venv", vars=variables))
    required = [path for path in sys.path if Path(path).name == "site-packages"]  # whose own .pth files are not read
    (site / "required.pth").write_text("\n".join(required) + "\n")
    return place / folder / "lm"


def test_the_wheel_installed_lists_its_jobs_and_does_one_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("".join(f"The cat sat on mat {number}.\n" for number in range(200)))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*words: str) -> str:
        done = subprocess.run([installed, *words], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    assert "pretrain" in run("--help")
    text = ["corpus=text", "corpus.path=text.txt", "corpus.part_size=500"]
    said = run("tokenizer", "tokenizer.vocab_size=300", *text)
    assert "300 tokens" in said
    assert said.endswith(f"next: lm corpus tokenizer.path=outputs/tokenizer/default {' '.join(text)}\n")
    page = (tmp_path / "outputs/tokenizer/default/report.html").read_text(encoding="utf-8")
    assert "lm tokenizer tokenizer.vocab_size=300" in page
    manifest = json.loads((tmp_path / "outputs/tokenizer/default/manifest.json").read_text(encoding="utf-8"))
    assert "commit" not in manifest["executions"][0], "the code is that of the wheel, which has no commit"
