import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest
from tqdm import tqdm

from lm import progress
from lm.progress import Fact, bar, progress_line, track

FACTS = [
    Fact("loss 2.345", "loss 2.345", "2.345"),
    Fact("12.0k tokens/s", "12.0k tok/s", "12.0k/s"),
    Fact("1.534 bits/byte"),
]


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


def line(width: int | None, label: str = "pretrain", *, share: float | None = 0.45) -> str:
    counted = "370" if share is None else "370/821"
    times = {"elapsed": "02:10", "remaining": "02:30"}
    return progress_line(width, label=label, counted=counted, unit="steps", share=share, facts=FACTS, **times)


def test_a_narrow_terminal_shows_time_so_far_and_left_loss_and_speed_on_one_line() -> None:
    full = "pretrain     45% 370/821 steps, 02:10 elapsed, 02:30 left, loss 2.345, 12.0k tokens/s, 1.534 bits/byte"
    assert line(None) == full
    assert line(120) == full.replace("% ", "%|███████        | ")
    assert line(100) == "pretrain 45% 370/821 steps, 02:10 elapsed, 02:30 left, loss 2.345, 12.0k tok/s"
    assert line(80) == "pretrain 45% 370/821 steps, 02:10 elapsed, 02:30 left, loss 2.345, 12.0k tok/s"
    assert line(60) == "pretrain 45% 370/821 02:10<02:30 loss 2.345 12.0k tok/s"
    assert line(40) == "45% 370/821 02:10<02:30 2.345 12.0k/s"
    assert line(20) == "45% 02:10<02:30"
    assert line(60, share=None) == "pretrain 370 steps, 02:10 elapsed, loss 2.345, 12.0k tok/s"


@pytest.mark.parametrize("share", [0.0, 0.45, 1.0, None])
def test_no_line_is_as_wide_as_the_terminal(share: float | None) -> None:
    for width in range(1, 250):
        assert len(line(width, "vocabulary", share=share)) < max(width, 1) or width == 1


@pytest.mark.parametrize("columns", [40, 60, 100])
def test_a_bar_in_a_terminal_rewrites_its_line_within_the_width(columns: int, tmp_path) -> None:
    """A pseudo-terminal of so many columns, whose every line must be shorter."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with os.fdopen(theirs, "w") as stream, pytest.MonkeyPatch.context() as patch:
        patch.delenv("COLUMNS", raising=False)
        patch.setattr("sys.stderr", stream)
        with bar(1000, label="pretrain", unit="steps") as shown:
            shown.facts = lambda: FACTS
            shown.update(10)
            shown.refresh()
            shown.update(980)
            shown.refresh()
    written = b""
    with contextlib.suppress(OSError):  # the terminal is closed
        while part := os.read(ours, 100_000):
            written += part
    os.close(ours)
    drawn = [each for each in written.decode().split("\r") if each.strip()]
    assert b"\n" not in written
    assert any("99" in each and "2.345" in each and "/s" in each for each in drawn)
    assert max(map(len, drawn)) < columns


def test_a_bar_is_of_the_class_that_tqdm_chooses_in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    class Widget(tqdm):
        """A class of a notebook, which draws what format_meter gives."""

    monkeypatch.setattr(progress, "_in_notebook", lambda: Widget)
    with bar(1000, label="pretrain", unit="steps") as shown:
        shown.facts = lambda: FACTS
        shown.update(10)
        assert isinstance(shown, Widget)
        assert "loss 2.345, 12.0k tokens/s, 1.534 bits/byte" in shown.format_meter(**shown.format_dict)
        assert shown.units_per_second > 0
        assert str(shown).startswith("pretrain:   1%|")


def test_tqdm_auto_is_not_asked_outside_a_notebook() -> None:
    code = "import sys; from lm.progress import bar; bar(1, label='', unit=''); print('tqdm.auto' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_a_notebook_without_widgets_is_quiet() -> None:
    code = """if True:
        import sys, types
        sys.modules |= {"ipykernel.zmqshell": sys, "IPython": types.SimpleNamespace(get_ipython=object)}
        sys.modules["ipywidgets"] = None  # as if it was not installed
        from lm.progress import _in_notebook
        print(_in_notebook())
    """
    done = subprocess.run([sys.executable, "-W", "always", "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("None\n", "")


def test_the_time_left_of_a_resumed_bar_is_that_of_what_this_process_did() -> None:
    resumed = bar(100, label="train", unit="steps", done=90)
    resumed.start_t -= 10
    resumed.n = 95  # 5 steps in 10 s, and not 95
    assert "95/100 steps, 00:10 elapsed, 00:10 left" in str(resumed)
    resumed.close()
