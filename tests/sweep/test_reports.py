from pathlib import Path

import pytest

from lm.sweep.reports import REPORTS, Report, check_reports, read_reports, write_reports

FOUND = [Report(1, 4, 2.5), Report(2, 8, 2.25)]


def test_what_was_reported_is_read_again_and_of_other_runs_there_is_nothing(tmp_path: Path) -> None:
    assert read_reports(tmp_path) == read_reports(tmp_path / "nowhere") == []
    write_reports(tmp_path, FOUND)
    assert read_reports(tmp_path) == FOUND


def test_a_damaged_file_is_told_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / REPORTS).write_text('[{"validation": 1, "st')
    with pytest.raises(ValueError, match=r"\.validations\.json is damaged .*: remove it"):
        read_reports(tmp_path)


@pytest.mark.parametrize(
    ("config", "swept", "told"),
    [
        ({"corpus": {}}, ["split.share"], "reports nothing on its way"),
        ({"validations": 5}, ["seed"], "reports nothing on its way"),
        ({"callbacks": {}}, ["seed"], "reports nothing on its way"),
        ({"callbacks": {}, "validations": 1}, ["seed"], "validations=1: .* at least 2"),
        ({"callbacks": {}, "validations": 5}, ["validations"], "validations: cannot be searched"),
    ],
)
def test_a_job_that_reports_too_little_is_refused(config: dict, swept: list[str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        check_reports(config, swept)


def test_a_job_with_two_validations_is_not(tmp_path: Path) -> None:
    check_reports({"callbacks": {}, "validations": 2}, ["seed"])
