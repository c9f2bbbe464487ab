"""Evaluate arithmetic that somebody else wrote: exact, and bounded in time and memory."""

import math
import operator
import re
from collections.abc import Callable
from fractions import Fraction

from lm.sandbox.plain_digits import plain_digits

MAX_CHARACTERS = 1000
MAX_DEPTH = 50  # parentheses and signs within each other
MAX_DIGITS = 300  # of a number
MAX_BITS = 4096  # of an exact result: 1,200 digits
SPELLINGS = str.maketrans({"×": "*", "·": "*", "⋅": "*", "÷": "/", "−": "-", "–": "-", "⁄": "/", "^": "↑", "√": "√"})
TOKEN = re.compile(
    r"\s*(?:(?P<number>\d[\d_]*(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+)|(?P<word>[a-z]+)|(?P<sign>\*\*|//|\S))"
)
PERCENTS_OF = re.compile(r"(?<=\s)%|%\s*[\d.(a-z√]")  # the remainder rather than a percentage
GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?![\d,])")
OPERATORS: dict[str, tuple[int, Callable]] = {
    "+": (1, operator.add),
    "-": (1, operator.sub),
    "*": (2, operator.mul),
    "/": (2, operator.truediv),
    "//": (2, operator.floordiv),
    "%": (2, operator.mod),
}
FUNCTIONS: dict[str, Callable] = {
    "abs": abs,
    "ceil": lambda value: Fraction(math.ceil(value)),
    "floor": lambda value: Fraction(math.floor(value)),
    "max": max,
    "min": min,
    "round": lambda value, digits=0: Fraction(round(value, int(digits))) if digits else Fraction(round(value)),
    "sqrt": lambda value: power(value, Fraction(1, 2)),
}
Number = Fraction | float


class CalculationError(ValueError):
    """An expression that cannot be calculated; the message says why, and where."""


def calculate(expression: str) -> Number:
    """Return the value of an arithmetic expression, exact where it is rational.

    Knows + - * / // % ** ^ parentheses, percentages, thousands separators outside of functions, and the functions abs,
    ceil, floor, max, min, round and sqrt. A percent sign is a remainder if a blank stands before it or an operand after
    it, else a percentage. `**` binds to the right and tighter than a sign, as in Python. Nothing is run: the parser is
    its own.

    Args:
        expression: At most 1,000 characters; numbers of at most 300 digits, 50 levels of parentheses.

    Returns:
        A Fraction; a float where a root or a broken exponent makes the value irrational.

    Raises:
        CalculationError: Not arithmetic, a division by 0, or a value of more than 4,096 bits, before it is computed.
    """
    if len(expression) > MAX_CHARACTERS:
        raise CalculationError(
            f"the expression has {len(expression)} characters, more than {MAX_CHARACTERS}: shorten it"
        )
    parser = _Parser(plain_digits(expression).translate(SPELLINGS))
    value = parser.sum_of(0)
    if parser.kind:
        raise CalculationError(f"{parser.text!r} at character {parser.start + 1} is not expected: check the expression")
    return value


def written(value: Number) -> str:
    """Return a value as text: all digits where they end within 20 places, else 12 significant digits."""
    if isinstance(value, float):
        return f"{value:.12g}"
    if value.denominator == 1:
        return str(value.numerator)
    scaled = value * 10**20
    if scaled.denominator == 1 and abs(value) < 10**15:
        sign, digits = "-" if scaled < 0 else "", str(abs(scaled.numerator)).rjust(21, "0")
        return f"{sign}{digits[:-20]}.{digits[-20:].rstrip('0')}"
    try:
        return f"{float(value):.12g}"
    except OverflowError:
        return str(round(value))


def power(base: Number, exponent: Number) -> Number:
    """Return `base ** exponent`, refused before it is computed if the result would be too large."""
    if base == 0 and exponent < 0:
        raise CalculationError("0 cannot be raised to a negative power")
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent.denominator == 1:
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        if bits > 1 and abs(exponent) * (bits - 1) > MAX_BITS:
            raise CalculationError(f"the power has more than {MAX_BITS} bits, which is too large")
        return base ** (exponent.numerator % 2 if bits <= 1 and base else exponent.numerator)
    if base < 0:
        raise CalculationError("a negative number has no real power with a broken exponent")
    if isinstance(exponent, Fraction) and isinstance(base, Fraction) and exponent == Fraction(1, 2):
        root = Fraction(math.isqrt(base.numerator), math.isqrt(base.denominator))
        if root * root == base:
            return root
    return float(base) ** float(exponent)


def _bounded(function: Callable, *values: Number) -> Number:
    """The result of a function, which must be finite and of bounded size."""
    try:
        value = function(*values)
        if isinstance(value, int):
            value = Fraction(value)
    except ZeroDivisionError:
        raise CalculationError("a division by 0 has no value") from None
    except (OverflowError, TypeError) as error:
        reason = "too large" if isinstance(error, OverflowError) else "given to a function in the wrong number"
        raise CalculationError(f"a value is {reason}") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise CalculationError("a value is too large")
    if isinstance(value, Fraction) and max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise CalculationError(f"a value has more than {MAX_BITS} bits, which is too large")
    return value


class _Parser:
    """Precedence climbing over one text; `kind`, `text` and `start` are the next token, "" at the end."""

    def __init__(self, source: str):
        self.source, self.place, self.depth, self.calls = source, 0, 0, 0
        self.kind, self.text, self.start = "", "", 0
        self.advance()

    def advance(self) -> str:
        """Step over the next token; return its text."""
        passed = self.text
        found = TOKEN.match(self.source, self.place)
        self.kind, self.text, self.start = "", "", len(self.source)
        if found and (kind := found.lastgroup):
            self.kind, self.text, self.start, self.place = kind, found[kind], found.start(kind), found.end()
            grouped = GROUPED.match(self.source, self.start)
            if kind == "number" and not self.calls and grouped and grouped.end() > self.place:
                self.text, self.place = self.source[self.start : grouped.end()].replace(",", ""), grouped.end()
                if decimals := re.compile(r"\.\d+").match(self.source, self.place):
                    self.text, self.place = self.text + decimals[0], decimals.end()
        return passed

    def take(self, sign: str) -> None:
        if self.text != sign:
            found = f"{self.text!r} at character {self.start + 1}" if self.kind else "the end"
            raise CalculationError(f"expected {sign!r} instead of {found}: check the expression")
        self.advance()

    def sum_of(self, least: int) -> Number:
        """A sequence of operands joined by operators of at least this precedence."""
        left = self.signed()
        while self.text in OPERATORS and OPERATORS[self.text][0] > least:
            precedence, function = OPERATORS[self.advance()]
            left = _bounded(function, left, self.sum_of(precedence))
        return left

    def signed(self) -> Number:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise CalculationError(f"the expression is nested more than {MAX_DEPTH} deep: simplify it")
        if self.text in ("+", "-"):
            value = -self.signed() if self.advance() == "-" else self.signed()
        else:
            value = self.operand()
            if self.text in ("**", "↑"):
                self.advance()
                value = _bounded(power, value, self.signed())
        self.depth -= 1
        return value

    def operand(self) -> Number:
        """A number, a parenthesis or a function, and what follows it as a percentage."""
        if self.kind == "number":
            value: Number = _number(self.advance())
        elif self.text == "(":
            calls, self.calls = self.calls, 0
            self.advance()
            value = self.sum_of(0)
            self.calls = calls
            self.take(")")
        elif self.text == "√" or self.text in FUNCTIONS:
            value = self.function(self.text)
        else:
            found = f"{self.text!r} at character {self.start + 1}" if self.kind else "the end"
            raise CalculationError(f"expected a number instead of {found}: write arithmetic such as 3 * (4 + 5)")
        if self.text == "%" and not PERCENTS_OF.match(self.source, self.start):  # attached, and no operand follows
            self.advance()
            value = value / 100
        return value

    def function(self, name: str) -> Number:
        if name == "√":
            self.advance()
            return _bounded(FUNCTIONS["sqrt"], self.operand())
        self.calls += 1
        self.advance()
        self.take("(")
        values = [self.sum_of(0)]
        while self.text == ",":
            self.advance()
            values.append(self.sum_of(0))
        self.calls -= 1
        self.take(")")
        if name == "round" and len(values) > 1 and abs(values[1]) > MAX_DIGITS:
            raise CalculationError(f"round has more than {MAX_DIGITS} digits")
        if name in ("min", "max") and len(values) == 1:
            return values[0]
        return _bounded(FUNCTIONS[name], *values)


def _number(text: str) -> Fraction:
    text = text.replace("_", "")
    mantissa, _, exponent = text.lower().partition("e")
    if len(mantissa) > MAX_DIGITS or len(exponent) > 4 or abs(int(exponent or 0)) > MAX_DIGITS:
        raise CalculationError(f"{text[:20]}… has more than {MAX_DIGITS} digits, which is too large")
    return Fraction(text)
