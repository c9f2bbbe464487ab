"""Arithmetic that somebody else wrote: exact, and refused at once where it is too large."""

import random
import time
from fractions import Fraction

import pytest

from lm.sandbox.arithmetic import CalculationError, calculate, written


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("2 ** 3 ** 2", "512"),
        ("-2 ** 2", "-4"),
        ("2 ** -1", "0.5"),
        ("2^10", "1024"),
        ("--3", "3"),
        ("7 // 2", "3"),
        ("-7 // 2", "-4"),
        ("7 % 3", "1"),
        ("7%3", "1"),
        ("7 % -3", "-2"),
        ("50% - 3", "-2.5"),
        ("50%", "0.5"),
        ("15% * 80", "12"),
        ("200 * 15%", "30"),
        ("0.1 + 0.2", "0.3"),
        ("1/3", "0.333333333333"),
        ("1/3 * 3", "1"),
        ("1,234.5 + 1", "1235.5"),
        ("max(1,234)", "234"),
        ("max(1, (2,000))", "2000"),
        ("round(2.675, 2)", "2.68"),
        ("round(2.5)", "2"),
        ("sqrt(16)", "4"),
        ("sqrt(2)", "1.41421356237"),
        ("√9 + 1", "4"),
        ("2 ** 0.5", "1.41421356237"),
        ("6 × 7 − 2 ÷ 2", "41"),
        ("1e3 + .5", "1000.5"),
        ("1_000", "1000"),
        ("\uff11\uff12 \uff0b \uff13", "15"),  # full width
        ("\u0663 + \u0664", "7"),  # Arabic-Indic
        ("\u200f3\u200e + 4", "7"),  # marks of direction
        ("2½ + 0.5", None),
        ("½ + ½", "1"),
        ("abs(-3) + floor(2.7) + ceil(2.1)", "8"),
        ("(-1) ** 100000000000", "1"),
        ("0 ** 0", "1"),
        ("1 ** 99999999999999", "1"),
        ("-0.05", "-0.05"),
    ],
)
def test_expressions_have_their_value(expression, value):
    if value is None:
        with pytest.raises(CalculationError):
            calculate(expression)
    else:
        assert written(calculate(expression)) == value


def test_random_expressions_are_those_of_python():
    draw = random.Random(1)

    def expression(depth):
        if depth == 0 or draw.random() < 0.2:
            return str(draw.randint(0, 20))
        inner = f"{expression(depth - 1)} {draw.choice(['+', '-', '*', '//', '%'])} {expression(depth - 1)}"
        return draw.choice([f"({inner})", inner, f"-{expression(depth - 1)}"])

    agreed = 0
    for _ in range(300):
        text = expression(4)
        try:
            expected = eval(text)
        except ZeroDivisionError:
            with pytest.raises(CalculationError, match="division by 0"):
                calculate(text)
            continue
        assert calculate(text) == expected, text
        agreed += 1
    assert agreed > 100


REFUSED = {
    "9**9**9": "4096 bits",
    "9^9^9^9": "4096 bits",
    "(2**4000)**2": "4096 bits",
    "2**4000 * 2**4000": "4096 bits",
    "10.0 ** 400 * 1.5 ** 0.5": "too large",
    "1e999999999": "300 digits",
    "9" * 400: "300 digits",
    "1" * 1001: "1001 characters",
    "(" * 60 + "1" + ")" * 60: "nested more than 50 deep",
    "-" * 900 + "1": "nested more than 50 deep",
    "1 / 0": "division by 0",
    "1 % 0": "division by 0",
    "0 ** -1": "negative power",
    "(-1) ** 0.5": "negative number",
    "round(1, 10**9)": "more than 300 digits",
    "sqrt(1, 2)": "wrong number",
    "": "instead of the end",
    "1 +": "instead of the end",
    "1 2": "not expected",
    "(1": "expected '\\)'",
    "1 = 1": "not expected",
    "nan": "expected a number instead of 'nan'",
    "inf": "expected a number instead of 'inf'",
    "__import__('os')": "expected a number",
    "().__class__": "expected a number",
    "lambda: 1": "expected a number",
    "10\u00b2": "not expected",
}


@pytest.mark.parametrize(("expression", "message"), REFUSED.items(), ids=[text[:20] for text in REFUSED])
def test_what_is_too_large_or_no_arithmetic_is_refused_at_once(expression, message):
    start = time.perf_counter()
    with pytest.raises(CalculationError, match=message):
        calculate(expression)
    assert time.perf_counter() - start < 0.1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(10) ** 30, "1" + "0" * 30),
        (Fraction(1, 8), "0.125"),
        (Fraction(-1, 8), "-0.125"),
        (Fraction(10**400 + 1, 2), None),
        (1e-7, "1e-07"),
    ],
    ids=["whole", "ends", "negative", "large half", "small"],
)
def test_values_are_written_in_full_where_their_digits_end(value, text):
    assert written(value) == text if text else written(value).startswith("5000")
