"""Whether the program of an answer passes unit tests."""

import ast
import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lm.bounds import Count
from lm.process.limits import cores
from lm.reward.reward import Answer, Reward
from lm.sandbox import Sandbox

FENCE = re.compile(r"^[ \t]*```[ \t]*(\w*)[^\n]*\n(.*?)(?:^[ \t]*```|\Z)", re.MULTILINE | re.DOTALL)
PYTHON = ("", "py", "python", "python3")


class UnitTests(Reward):
    """1 if the program of an answer passes the tests of its reference, else 0.

    The program is the last block of Python between ``` marks, or the whole answer where it has none. It runs in a
    sandbox, apart from the tests: it can neither see nor change them, and leaving early is failing.

    The reference holds the tests, as one of: Python with assertions or functions test_…; a JSON list of such texts
    (MBPP); a JSON object with `test` and `entry_point`, whose `test` defines `check` (HumanEval); a JSON object with
    `inputs` and `outputs`, or a list of objects with `input` and `output`, to be compared with what the program prints
    (APPS). An answer without a reference, or with tests that are none of these or do not compile, is not scorable.

    Args:
        sandbox: Limits of each program.
        share: Give the share of tests that passed, instead of all or nothing. Shares make local optima: a program that
            passes the easy tests is rewarded for staying.
        workers: Programs that run at once; null for the cores of this machine.
    """

    needs_reference = True

    def __init__(self, sandbox: Sandbox, *, share: bool = False, workers: Count | None = None) -> None:
        self.sandbox, self.share, self.workers = sandbox, share, workers

    def __call__(self, answers: Sequence[Answer]) -> list[float | None]:
        with ThreadPoolExecutor(self.workers or cores()) as pool:
            return list(pool.map(self._score, answers))

    def _score(self, answer: Answer) -> float | None:
        tests = parse_tests(answer.reference or "")
        if tests is None:
            return None
        code = program_of(answer.text)
        if not code.strip():
            return 0.0
        if tests.printed:
            passed = [self._prints(code, given, expected) for given, expected in tests.printed]
            share = sum(passed) / len(passed)
        else:
            share = self.sandbox.test(code, tests.texts, names=tests.names).share
        return share if self.share else float(share == 1)

    def _prints(self, code: str, given: str, expected: str) -> bool:
        outcome = self.sandbox.run(code, stdin=given)
        return outcome.status == "done" and _lines(outcome.output) == _lines(expected)


@dataclass(frozen=True)
class Tests:
    """The tests of a reference.

    Args:
        texts: Python source text of each test.
        printed: Standard input and expected standard output of each test.
        names: What the tests take from the program although Python has that name too.
    """

    texts: tuple[str, ...] = ()
    printed: tuple[tuple[str, str], ...] = ()
    names: tuple[str, ...] = ()


def parse_tests(reference: str) -> Tests | None:
    """Return the tests of a reference; None where it has none that can run."""
    try:
        data = json.loads(reference)
    except (ValueError, RecursionError):
        data = reference
    match data:
        case {"test": str(test), "entry_point": str(name)}:
            tests = Tests((f"{test}\n\ncheck({name})\n",), names=(name,))
        case {"inputs": [*inputs], "outputs": [*outputs]} if len(inputs) == len(outputs):
            tests = Tests(printed=tuple(zip(map(_text, inputs), map(_text, outputs), strict=True)))
        case [{"input": _, "output": _}, *_] if all(isinstance(each, dict) for each in data):
            pairs = [(_text(each.get("input", "")), _text(each.get("output", ""))) for each in data]
            tests = Tests(printed=tuple(pairs))
        case [str(), *_] if all(isinstance(each, str) for each in data):
            tests = Tests(tuple(data))
        case str():
            tests = Tests((data,) if data.strip() else ())
        case _:
            return None
    named = tuple(sorted({*tests.names, *(name for each in tests.texts for name in _asserted(each))}))
    runnable = all(_compiles(each) for each in tests.texts)
    return Tests(tests.texts, tests.printed, named) if runnable and (tests.texts or tests.printed) else None


def program_of(text: str) -> str:
    """Return the last block of Python between ``` marks; the whole text where it has no block."""
    blocks = [found[2] for found in FENCE.finditer(text) if found[1].lower() in PYTHON]
    if blocks:
        return blocks[-1]
    return "" if FENCE.search(text) else text


def _asserted(test: str) -> list[str]:
    """The functions whose value every assertion of a test compares: `sum` of `assert sum(1, 2) == 3`.

    The tests take them from the program even if Python has a builtin of that name (MBPP has such tasks). A builtin
    around the call, as in `assert abs(f(1) - 2) < 0.1`, stays Python's.
    """
    try:
        tree = ast.parse(test)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    compared = [node.test.left for node in tree.body if isinstance(node, ast.Assert) and _equals(node.test)]
    called = [node for node in compared if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    inner = [each for node in called for given in node.args for each in ast.walk(given) if isinstance(each, ast.Call)]
    return [] if inner else [node.func.id for node in called]


def _equals(test: ast.expr) -> bool:
    return isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Eq)


def _compiles(test: str) -> bool:
    try:
        compile(test, "tests.py", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _text(value: object) -> str:
    """Input or output as text; of a list its items as lines."""
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)


def _lines(output: str) -> list[str]:
    return [line.rstrip() for line in output.rstrip().splitlines()]
