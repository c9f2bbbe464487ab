"""A warning of a library is one line at the terminal, without a path and a line of its source."""

import warnings

import pytest

from lm.cli.main import main
from lm.process.library_warnings import warnings_in_one_line


@pytest.mark.parametrize(
    ("file", "package"),
    [
        ("/usr/lib/python3/site-packages/torch/nn/modules/module.py", "torch"),
        ("/usr/lib/python3/site-packages/six.py", "six"),
        ("/home/me/lm/jobs/generate.py", "lm"),
        ("/home/me/mine.py", "mine"),
        ("<string>", "<string>"),
    ],
)
def test_a_warning_is_one_line_that_names_the_package(capsys, file, package):
    with warnings.catch_warnings(), warnings_in_one_line():
        warnings.simplefilter("always")
        warnings.warn_explicit("The first\n  line and more.", UserWarning, file, 34)
    assert capsys.readouterr().err == f"note: {package}: The first line and more.\n"


def test_with_debugging_and_afterwards_warnings_are_pythons_own(monkeypatch):
    before = warnings.showwarning
    with warnings_in_one_line():
        assert warnings.showwarning is not before
    monkeypatch.setenv("LM_DEBUG", "1")
    with warnings_in_one_line():
        assert warnings.showwarning is before
    assert warnings.showwarning is before


def test_the_command_prints_warnings_so(monkeypatch, capsys):
    def listed(places):
        warnings.warn("look out", UserWarning, stacklevel=1)
        return "jobs"

    monkeypatch.setattr("lm.cli.main.list_jobs", listed)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert main([]) == 0
    assert capsys.readouterr().err == "note: test_library_warnings: look out\n"
