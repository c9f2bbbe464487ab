import pytest

from lm import progress
from lm.progress import bar, track


def test_items_pass_through_in_order(capsys: pytest.CaptureFixture) -> None:
    assert list(track(iter("abc"), label="corpus", unit="document")) == ["a", "b", "c"]
    assert capsys.readouterr().out == ""


def test_a_log_gets_lines_and_no_cursor_moves(capsys: pytest.CaptureFixture) -> None:
    with bar(total=4, label="corpus", unit="document") as shown:
        shown.delay = 0
        for _ in range(2):
            shown.update()
            shown.refresh()
    lines = capsys.readouterr().err.splitlines()
    assert any("2/4 document" in line and "left" in line for line in lines)
    assert not any("\r" in line for line in lines)


def test_a_log_gets_at_most_a_line_in_ten_seconds(capsys: pytest.CaptureFixture) -> None:
    list(track(range(10_000), label="corpus", unit="document"))
    assert capsys.readouterr().err == ""


def test_the_total_defaults_to_the_length() -> None:
    totals = []

    def spy(total: int | None, **_: str) -> object:
        totals.append(total)
        return bar(total, label="x", unit="y")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(progress, "bar", spy)
        list(track([1, 2, 3], label="x", unit="y"))
        list(track((i for i in range(3)), label="x", unit="y"))
        list(track((i for i in range(3)), label="x", unit="y", total=3))
    assert totals == [3, None, 3]


def test_only_the_first_process_of_a_run_shows_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not bar(1, label="x", unit="y").disable
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert bar(1, label="x", unit="y").disable
