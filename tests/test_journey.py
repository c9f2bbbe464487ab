"""From raw text to a chat reply by the real command; the shape of the README."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lm.directory.manifest import read_manifest
from support.commands import lm, lm_offline

README = Path(__file__).parents[1] / "README.md"
STAGES = ("tokenizer", "corpus", "pretrain", "instruct", "evaluate")
COLOURS = {"red": "apples", "blue": "the sea", "green": "grass", "yellow": "lemons", "white": "snow", "black": "coal"}


@pytest.fixture(scope="module")
def journey(tmp_path_factory) -> tuple[Path, list[str]]:
    """A folder with texts and conversations, and the command that runs all stages on them at tiny scale."""
    place = tmp_path_factory.mktemp("journey")
    lines = [
        f"{thing.capitalize()} is {colour}, said number {n}." for n in range(40) for colour, thing in COLOURS.items()
    ]
    (place / "said.txt").write_text("\n\n".join(lines))
    talks = [
        {"messages": [{"role": "user", "content": f"What is {colour}? ({n})"}, {"role": "assistant", "content": thing}]}
        for n in range(40)
        for colour, thing in COLOURS.items()
    ]
    (place / "talks.jsonl").write_text("\n".join(map(json.dumps, talks)))
    command = [
        sys.executable, "-m", "lm", "pipeline", f"root={place / 'outputs'}",
        f"text={place / 'said.txt'}", 'corpus.corpus.separator="\\n\\n"',
        "tokenizer.tokenizer.vocab_size=300", "model@pretrain.model=nano",
        "budget@pretrain.budget=steps", "pretrain.budget.steps=150", "pretrain.budget.batch_tokens=512",
        "pretrain.compute.threads=1", "pretrain.optimizer.learning_rate=1e-2",
        f"conversations={place / 'talks.jsonl'}",
        "budget@instruct.budget=epochs", "instruct.budget.epochs=15", "instruct.budget.batch_tokens=256",
        "instruct.compute.threads=1",
        "instruct.optimizer.learning_rate=1e-2", "evaluate_answers.evaluations.answers.max_tokens=20",
        "generate.max_tokens=10", "chat.message=What is red? (40)",
    ]  # fmt: skip
    return place, command


def run(command: list[str], **options) -> subprocess.CompletedProcess:
    return subprocess.run(command, capture_output=True, text=True, timeout=240, **options)


@pytest.fixture(scope="module")
def interrupted(journey) -> tuple[int, str]:
    """Exit code and error stream of the first start, interrupted by Ctrl-C during pretraining."""
    place, command = journey
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    metrics = place / "outputs" / "pretrain" / "default" / "metrics.csv"
    until = time.monotonic() + 120
    while not metrics.exists() and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    return process.returncode, errors


@pytest.fixture(scope="module")
def finished(journey, interrupted) -> subprocess.CompletedProcess:
    """The same command again."""
    return run(journey[1])


def test_ctrl_c_saves_and_prints_how_to_resume(interrupted, journey):
    code, output = interrupted
    assert code == 130, output
    assert re.search(r"saved at step \d+ of 150", output)
    assert "run the same command again to resume" in output
    assert "lm pipeline root=" in output
    assert "Traceback" not in output


def test_the_same_command_resumes_and_ends_with_a_chat_reply(finished, journey):
    assert finished.returncode == 0, finished.stderr
    output = finished.stdout
    assert "tokenizer   nothing to do" in output
    assert "corpus      nothing to do" in output
    assert re.search(r"pretrain .*resuming from .*last\.ckpt", output)
    for stage in STAGES:
        name = "default" if stage != "evaluate" else "default-answers"
        assert read_manifest(journey[0] / "outputs" / stage / name)["state"] == "complete"
    for column in ("model", "xz -9", "gzip -9", "held-out answers", "ends turn"):
        assert column in output
    place = journey[0] / "outputs"
    answered = json.loads((place / "evaluate" / "default-answers" / "results.json").read_text())["answers"]["all"]
    assert answered["questions"] > 10
    assert answered["word_for_word"] > 0.8
    assert f"lm chat model.path={place}/instruct/default" in output


def test_the_chat_answers_as_it_was_taught(finished, journey):
    answers = finished.stdout.partition("what the tuned model answers")[2].splitlines()
    assert answers[1] == "apples"
    said = run(
        [sys.executable, "-m", "lm", "chat", f"model.path={journey[0]}/outputs/instruct/default", "sampling=greedy"],
        input="What is blue? (40)\n",
    )
    assert (said.returncode, said.stdout.strip()) == (0, "the sea"), said.stderr


def test_a_third_time_there_is_nothing_to_do(finished, journey):
    again = lm(*journey[1][3:])
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("nothing to do") == 6
    tables = [each.stdout.partition("\nbits per byte ")[2].partition("\n\n")[0] for each in (finished, again)]
    assert "xz -9" in tables[0]
    assert tables[0] == tables[1]


def test_the_whole_pipeline_opens_no_socket(finished, journey, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import socket\n"
        "def refuse(self, address, *rest):\n    raise RuntimeError(f'a socket to {address}')\n"
        "socket.socket.connect = socket.socket.connect_ex = refuse\n"
    )
    place = journey[0] / "offline"
    command = [word.replace(f"root={journey[0] / 'outputs'}", f"root={place}") for word in journey[1]]
    words = [*command[3:], "pretrain.budget.steps=2", "instruct.budget.epochs=0.1"]
    offline = lm_offline(*words, PYTHONPATH=str(tmp_path))  # which also guards the processes that it starts
    assert offline.returncode == 0, offline.stderr
    guarded = run([sys.executable, "-c", "import socket; socket.create_connection(('127.0.0.1', 9))"],
                  env={**os.environ, "PYTHONPATH": str(tmp_path)})  # fmt: skip
    assert "a socket to" in guarded.stderr, "the guard itself does not work"


def test_the_readme_is_one_page_with_the_two_command_lines():
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 130
    assert max(map(len, text.splitlines())) <= 100
    assert "lm pipeline" in text
    assert "<!-- test command -->" in text
    assert len(re.findall(r"^lm [a-z]", text, re.MULTILINE)) >= 12


def test_the_readme_links_every_package_and_no_other_folder():
    links = set(re.findall(r"\]\((lm/\w+)\)", README.read_text(encoding="utf-8")))
    packages = {f"lm/{page.parent.name}" for page in (README.parent / "lm").glob("*/__init__.py")}
    assert links == packages
