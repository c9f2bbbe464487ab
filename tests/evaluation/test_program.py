"""Programs are judged by unit tests in a sandbox; pass@k is the unbiased estimate."""

import pytest

from lm.conversation import RoleTokenTemplate
from lm.evaluation import Program
from lm.evaluation.question import Asked
from lm.generation import Completion, Generator, Sampling
from lm.reward import UnitTests
from lm.sandbox import Sandbox
from support.asked import asking, item

TASK = item(
    prompt='def double(x):\n    """Twice x."""\n',
    test="def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(-1) == -2\n",
    entry_point="double",
)


def program(**options) -> Program:
    given = {
        "prompt": "{{ prompt }}",
        "program": "{% if 'def ' ~ entry_point in reply %}{{ reply }}{% else %}{{ prompt }}{{ reply }}{% endif %}",
        "tests": "{{ {'test': test, 'entry_point': entry_point} | tojson }}",
        "unit_tests": UnitTests(sandbox=Sandbox()),
        "sampling": Sampling(temperature=0),
    }
    return Program(**{**given, **options})


def replying(monkeypatch, *texts: str) -> None:
    """Let the generator say these texts in turn."""
    said = iter(texts)

    def generate(self, prompts, **options):
        return [Completion(next(said), [], "stop_string") for _ in prompts]

    monkeypatch.setattr(Generator, "generate", generate)


def test_a_continuation_and_a_whole_program_are_tested(monkeypatch):
    good, bad, whole = "    return 2 * x\n", "    return x\n", "def double(x):\n    return x + x\n"
    replying(monkeypatch, good, bad, whole, "    import os; os._exit(0)\n")
    drawing = program(k=[1, 2], samples=4, sampling=Sampling(temperature=0.8))
    (found,) = drawing.ask([Asked(TASK)], asking(context=600))
    assert found.shown["passed"] == [True, False, True, False]
    assert found.values == {"pass@1": pytest.approx(0.5), "pass@2": pytest.approx(5 / 6)}


def test_a_chat_model_answers_with_a_block_of_code(monkeypatch):
    replying(monkeypatch, "Sure:\n```python\ndef double(x):\n    return 2 * x\n```\nIt doubles.")
    (found,) = program().ask([Asked(TASK)], asking(context=600, template=RoleTokenTemplate()))
    assert found.values == {"pass@1": 1.0}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": [5], "samples": 3, "sampling": Sampling()}, r"evaluation\.k=\[5\]: must be numbers from 1 to samples=3"),
        ({"k": [0]}, r"evaluation\.k=\[0\]"),
        ({"k": [1, 10]}, r"evaluation\.samples=10: greedy decoding gives the same program each time"),
    ],
)
def test_options_that_contradict_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        program(**options)


def test_tests_that_cannot_run_are_named():
    with pytest.raises(ValueError, match=r"items\.jsonl:1: evaluation\.question\.tests gives no unit tests"):
        program().check(item(**{**TASK.fields, "test": "def check("}))
    with pytest.raises(ValueError, match=r"items\.jsonl:1 has no field 'test'"):
        program().check(item(prompt="x", entry_point="f"))
