from pathlib import Path

import pytest

from lm.sweep.comparison import REPORTS, Report, check_reports, read_reports, write_reports

FOUND = [Report(1, 4, 2.5), Report(2, 8, 2.25)]


def test_reports_are_read_as_written_and_other_runs_have_none(tmp_path: Path) -> None:
    assert read_reports(tmp_path) == read_reports(tmp_path / "nowhere") == []
    write_reports(tmp_path, FOUND)
    assert read_reports(tmp_path) == FOUND


def test_a_damaged_file_is_refused_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / REPORTS).write_text('[{"validation": 1, "st')
    with pytest.raises(ValueError, match=r"\.validations\.json is damaged .*: remove it"):
        read_reports(tmp_path)


@pytest.mark.parametrize(
    ("config", "swept", "output"),
    [
        ({"corpus": {}}, ["split.share"], "reports nothing before its end"),
        ({"validations": 5}, ["seed"], "reports nothing before its end"),
        ({"callbacks": {}}, ["seed"], "reports nothing before its end"),
        ({"callbacks": {}, "validations": 1}, ["seed"], "validations=1: .* at least 2"),
        ({"callbacks": {}, "validations": 5}, ["validations"], "validations: cannot be searched"),
    ],
)
def test_a_job_that_reports_too_little_is_refused(config: dict, swept: list[str], output: str) -> None:
    with pytest.raises(ValueError, match=output):
        check_reports(config, swept)


def test_a_job_with_two_validations_is_not(tmp_path: Path) -> None:
    check_reports({"callbacks": {}, "validations": 2}, ["seed"])
