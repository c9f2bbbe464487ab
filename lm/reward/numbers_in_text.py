"""Find the numbers of a text, as people and models write them, as exact fractions."""

import re
from dataclasses import dataclass
from fractions import Fraction

from lm.sandbox.plain_digits import plain_digits

MAX_DIGITS = 100
MAX_EXPONENT = 300
# A group after a comma, an apostrophe, an underscore or a narrow or hard blank; never after a plain blank: 1 200 may
# be two numbers. Indian grouping, as in 1,00,000, has groups of two.
WHOLE = r"\d{1,3}(?:,\d{2,3})*,\d{3}(?!\d)|\d{1,3}(?:(?P<gap>['’_\u00a0\u2009\u202f])\d{3})(?:(?P=gap)\d{3})*(?!\d)|\d+"
NUMBER = re.compile(
    r"(?P<sign>(?<![\w.)\]}%])[-+−–‐‑]\s?)?(?:[$€£¥]\s?)?"
    r"(?:\\[dt]?frac\s*\{\s*(?P<top>-?\d+)\s*\}\s*\{\s*(?P<bottom>\d+)\s*\}"
    rf"|(?<![A-Za-z\d_])(?:(?P<whole>{WHOLE})(?:\.(?P<digits>\d+))?|(?<!\.)\.(?P<only>\d+))"
    r"(?:[eE](?P<e>[-+]?\d+)(?![\w.])|\s?(?:[×xX*]|\\times)\s?10\s?\^\s?\{?(?P<power>[-+−]?\d+)\}?)?"
    r"(?:\s?[/⁄]\s?(?P<over>\d+)(?![\d.]*\s?[/⁄]|\d)|(?:\s+(?P<part>\d+)\s?[/⁄]\s?(?P<of>\d+)(?![\d.]*\s?[/⁄]|\d)))?)"
    r"(?P<percent>\s?\\?%)?"
)


@dataclass(frozen=True)
class WrittenNumber:
    """A number of a text.

    Args:
        value: Its value; of a percentage the number before the sign.
        percent: Whether a percent sign follows.
    """

    value: Fraction
    percent: bool = False

    def equals(self, other: "WrittenNumber", *, absolute: float = 0.0, relative: float = 0.0) -> bool:
        """Whether it is `other` within a tolerance; a percent sign on one side only is read both ways."""
        scales = (Fraction(1),) if self.percent == other.percent else (Fraction(1), Fraction(1, 100))
        one, two = (self, other) if self.percent else (other, self)
        for scale in scales:
            near = max(Fraction(absolute), Fraction(relative) * abs(other.value))
            if abs(one.value * scale - two.value) <= near:
                return True
        return False


def numbers_in(text: str) -> list[WrittenNumber]:
    """Return the numbers of a text in order.

    Reads signs (Unicode minus and dashes where no word or number is before them), thousands separators, decimals after
    a point, exponents, fractions (1/2, 1 1/2, \\frac{1}{2}), percentages, currency signs before a number, and digits of
    any script. Dates such as 1/2/2024 are no fractions; NaN and infinity are no numbers; numbers of more than 100
    digits and powers of ten beyond 300 are left out. A comma never begins decimals.
    """
    return [number for found in NUMBER.finditer(plain_digits(text)) if (number := _number(found)) is not None]


def _number(found: re.Match) -> WrittenNumber | None:
    whole = re.sub(r"\D", "", found["whole"] or "")
    digits = found["digits"] or found["only"] or ""
    exponent = int((found["e"] or found["power"] or "0").replace("−", "-")[:6])
    below = [found[name] for name in ("bottom", "over", "of") if found[name]]
    long = max(len(part or "") for part in (whole, digits, found["top"], found["part"], *below))
    if long > MAX_DIGITS or abs(exponent) > MAX_EXPONENT or any(int(each) == 0 for each in below):
        return None
    if found["top"]:
        value = Fraction(int(found["top"]), int(found["bottom"]))
    else:
        value = Fraction(f"{whole or 0}.{digits or 0}") * Fraction(10) ** exponent
        if found["over"]:
            value /= int(found["over"])
        elif found["of"]:
            value += Fraction(int(found["part"]), int(found["of"]))
    negative = found["sign"] and found["sign"][0] != "+"
    return WrittenNumber(-value if negative else value, bool(found["percent"]))
