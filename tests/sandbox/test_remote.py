"""Tests judge a program that runs in another process, and cannot be deceived by it."""

import sys

import pytest

from lm.sandbox import Sandbox

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the walls are those of Linux")

SANDBOX = Sandbox(elapsed=30)


def failures(code, *tests, **options):
    """Why tests failed; a program is as honest as its tests, so each case batches many."""
    return [*SANDBOX.test(code, tests, **options).outcomes]


HONEST = """
import collections, dataclasses, datetime, decimal, fractions, math

LIMIT = 7

class Empty(ValueError): pass

@dataclasses.dataclass
class Point:
    x: int
    y: int = 0
    def __add__(self, other): return Point(self.x + other.x, self.y + other.y)
    def __lt__(self, other): return self.x < other.x

class Stack:
    def __init__(self): self.items = []
    def push(self, item): self.items.append(item)
    def pop(self):
        if not self.items: raise Empty("nothing")
        return self.items.pop()
    def __len__(self): return len(self.items)
    def __iter__(self): return iter(self.items)
    def __getitem__(self, n): return self.items[n]

class Manager:
    def __enter__(self): return 5
    def __exit__(self, *_): return False

def same(value): return value
def sort_in_place(values): values.sort()
def add(table, key, value): table[key] = value
def apply(function, value): return function(value)
def count(n):
    for i in range(n): yield i
def left(node): return node.left.value
def mirror(node): node.left, node.right = node.right, node.left
def sum(a, b): return a + b
"""
HONEST_TESTS = [
    "assert same(3) == 3 and same(True) is True and same(None) is None",
    "assert same([1, (2, {'a': {3}})]) == [1, (2, {'a': {3}})]",
    "assert same(2 ** 20000) == 2 ** 20000",
    "assert math.isnan(same(float('nan'))) and same(float('-inf')) == -math.inf and same(0.1) == 0.1",
    "assert same(1 + 2j) == 1 + 2j and same(b'x') == b'x' and same(range(3)) == range(3)",
    "from collections import *\nassert same(Counter('aab')) == Counter('aab') and same(deque([1])) == deque([1])",
    "from datetime import *\nassert same(date(2024, 2, 29)) == date(2024, 2, 29)\n"
    "assert same(datetime(2024, 1, 1, 3)) - same(datetime(2024, 1, 1)) == timedelta(hours=3)",
    "from decimal import Decimal\nfrom fractions import Fraction\n"
    "assert same(Decimal('0.1')) == Decimal('0.1') and same(Fraction(1, 3)) * 3 == 1",
    "x = [3, 1, 2]\nsort_in_place(x)\nassert x == [1, 2, 3]",
    "x = {}\nadd(x, 'a', [1])\nassert x == {'a': [1]}",
    "assert apply(lambda value: value * 2, 4) == 8 and list(map(same, [1, 2])) == [1, 2]",
    "assert list(count(3)) == [0, 1, 2] and next(count(1)) == 0 and 2 in count(5)",
    "s = Stack()\ns.push(1)\ns.push('b')\nassert len(s) == 2 and list(s) == [1, 'b'] and s[1] == s.pop() == 'b'",
    "assert isinstance(Stack(), Stack) and not isinstance(Stack(), Point) and not isinstance(3, Stack)",
    "assert Point(1, 2) + Point(3, 4) == Point(4, 6) and Point(1) < Point(2) and str(Point(1)) == 'Point(x=1, y=0)'",
    "p = Point(1)\np.x = 5\nassert p.x == 5 and p != Point(1)",
    "try: Stack().pop()\nexcept Empty as error: assert str(error) == 'nothing'\nelse: assert False",
    "try: Stack().pop()\nexcept ValueError: pass\nelse: assert False",
    "try: same(1, 2)\nexcept TypeError: pass\nelse: assert False",
    "with Manager() as five: assert five == 5",
    "class Node:\n    def __init__(self, value, left=None, right=None):\n"
    "        self.value, self.left, self.right = value, left, right\n"
    "node = Node(1, Node(2), Node(3))\nassert left(node) == 2\nmirror(node)\nassert node.left.value == 3",
    "assert LIMIT == 7 and math.floor(2.5) == 2",
    "def test_one(): assert same(1) == 1\ndef test_two(): assert same(2) == 2",
    "x = Stack()\nassert same(x) is not None and same(x) == x",
]


def test_honest_programs_pass_tests_of_many_kinds():
    found = dict(zip(HONEST_TESTS, failures(HONEST, *HONEST_TESTS), strict=True))
    assert {test: why for test, why in found.items() if why} == {}


def test_wrong_programs_fail_test_by_test():
    verdict = SANDBOX.test("def f(x): return x + 1", ["assert f(1) == 2", "assert f(1) == 3, 'no'", "g(1)"])
    assert verdict.outcomes == ("", "AssertionError: no", "NameError: name 'g' is not defined")
    assert (verdict.passed, round(verdict.share, 2)) == (False, 0.33)
    assert failures("def f(x): return x", "def test_f(): assert f(1) == 2") == ["AssertionError"]


def test_names_of_python_are_those_of_the_program_only_where_asked():
    assert failures(HONEST, "assert sum(1, 2) == 3", names=["sum"]) == [""]
    assert failures(HONEST, "assert sum([1, 2]) == 3") == [""]


DECEITS = {
    "equal to all": "class All:\n    def __eq__(self, other): return True\n    def __ne__(self, other): return False\n"
    "    def __contains__(self, other): return True\ndef f(x): return All()",
    "equal number": "class All(int):\n    def __eq__(self, other): return True\n    __hash__ = int.__hash__\n"
    "def f(x): return All(0)",
    "equal list": "class All(list):\n    def __eq__(self, other): return True\ndef f(x): return All()",
    "exit in the middle": "import sys\ndef f(x): sys.exit(0)",
    "exit at once": "import os; os._exit(0)",
    "exit in a call": "import os\ndef f(x): os._exit(0)",
    "interrupt": "def f(x): raise KeyboardInterrupt",
    "stop iteration": "def f(x): raise StopIteration",
    "patched builtins": "import builtins\nbuiltins.all = builtins.any = lambda x: True\nbuiltins.AssertionError = int\n"
    "def f(x): return None",
    "shadowed builtins": "def abs(x): return 0\ndef all(x): return True\nlen = isinstance = sorted = abs\n"
    "def f(x): return 9",
    "shadowed module": "class math:\n    isclose = staticmethod(lambda *x: True)\ndef f(x): return 9",
    "frames": "import sys\ndef f(x):\n    frame = sys._getframe()\n    while frame.f_back: frame = frame.f_back\n"
    "    frame.f_globals['request'] = {'tests': []}\n    return None",
    "all objects": "import gc\ndef f(x):\n    for each in gc.get_objects():\n"
    "        if isinstance(each, dict) and 'tests' in each: each['tests'] = []\n    return None",
    "own messages": 'import os\nfor n in range(3, 20):\n    try: os.write(n, b\'{"outcomes": [""]}\\n\')\n'
    "    except OSError: pass\ndef f(x): return None",
    "false start": "import os\nfor n in range(3, 20):\n"
    '    try: os.write(n, b\'["ready", {}]\\n["done", ["i", "2"], []]\\n\')\n    except OSError: pass\n'
    "def f(x): return None",
    "deep": "def f(x):\n    y = []\n    for _ in range(10**5): y = [y]\n    return y",
    "huge": "def f(x): return 'x' * 10**8",
    "cyclic": "def f(x):\n    y = []\n    y.append(y)\n    return y",
    "does not load": "1 / 0",
    "does not compile": "def f(x) return 2",
    "empty": "",
}
TESTS = [
    "assert f(1) == 2",
    "assert 2 == f(1)",
    "assert f(1) in [2]",
    "import math\nassert math.isclose(f(1), 2)",
    "assert abs(f(1) - 2) < 0.1",
    "assert all(f(n) == n + 1 for n in [1, 2])",
    "for got, wanted in zip(map(f, [1, 2]), [2, 3]): assert got == wanted",
    "assert isinstance(f(1), int) and sorted([f(1), 1]) == [1, 2]",
]


@pytest.mark.parametrize("name", DECEITS)
def test_no_deceit_passes_a_test(name):
    outcomes = Sandbox(seconds=1, elapsed=30).test(DECEITS[name], TESTS).outcomes
    assert [test for test, outcome in zip(TESTS, outcomes, strict=True) if not outcome] == []


def test_the_program_reaches_no_more_of_a_function_of_the_tests_than_to_call_it():
    spy = "def apply(g, x):\n    g.__globals__['f'] = lambda x: 2\n    return g(x)"
    assert failures(spy, "assert apply(lambda x: x + 1, 1) == 2")[0].startswith(
        "AttributeError: the tests' own objects"
    )


def test_no_tests_pass_nothing():
    assert not SANDBOX.test("x = 1", []).passed


def test_programs_that_do_not_end_and_tests_that_leave_fail():
    endless = "def f(x):\n    while True: pass"
    assert not Sandbox(seconds=1, elapsed=30).test(endless, ["assert f(1) == 2"]).passed
    assert failures("x = 1", "import os; os._exit(0)") == ["the tests did not end"]
