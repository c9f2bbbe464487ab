"""Where tests lie: a folder a package, a file a module or a claim, and claims on several packages at the top."""

from pathlib import Path

TESTS = Path(__file__).parent
LM = TESTS.parent / "lm"
OTHER = {"benchmark", "support", "toy"}
PACKAGES = {path.parent.relative_to(LM).as_posix() for path in LM.glob("*/**/__init__.py")}
MODULES = {path.relative_to(LM).with_suffix("").as_posix() for path in LM.rglob("*.py") if path.stem != "__init__"}


def folders() -> set[str]:
    found = {path.parent.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py")} - {"."}
    return {folder for folder in found if folder.partition("/")[0] not in OTHER}


def test_every_package_has_a_folder_of_tests_and_every_folder_a_package():
    assert folders() == PACKAGES


def test_a_file_named_after_a_module_lies_in_the_folder_of_its_package():
    homes: dict[str, set[str]] = {}
    for module in MODULES:
        folder, _, name = module.rpartition("/")
        homes.setdefault(name, set()).add(folder or ".")
    for file in TESTS.glob("*/**/test_*.py"):
        folder, name = file.parent.relative_to(TESTS).as_posix(), file.stem.removeprefix("test_")
        if name in homes and folder.partition("/")[0] not in OTHER:
            assert folder in homes[name], f"{file.name} lies in {folder}, its module in {homes[name]}"
