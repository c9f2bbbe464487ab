"""Whether the number that an answer ends with is that of the reference."""

from fractions import Fraction

import pytest

from lm.reward import Answer, NumericAnswer
from lm.reward.numbers_in_text import numbers_in


def score(text, reference, **options):
    return NumericAnswer(**options).score(Answer(text=text, reference=reference))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("42", [42]),
        ("-3 and +4", [-3, 4]),
        ("\u22123", [-3]),  # Unicode minus
        ("5-3", [5, 3]),
        ("x = -2.50", [Fraction(-5, 2)]),
        ("(2)-1", [2, 1]),
        ("1,234,567.89", [Fraction(123456789, 100)]),
        ("1,00,000", [100000]),
        ("1\u202f234", [1234]),
        ("1'234'567", [1234567]),
        ("1 234", [1, 234]),
        ("1,2,3", [1, 2, 3]),
        ("12,34", [12, 34]),
        ("$1,000", [1000]),
        ("-$5", [-5]),
        (".5", [Fraction(1, 2)]),
        ("5.", [5]),
        ("1e3", [1000]),
        ("2.5E-1", [Fraction(1, 4)]),
        ("3 × 10^2", [300]),
        ("3 \\times 10^{-2}", [Fraction(3, 100)]),
        ("1/2", [Fraction(1, 2)]),
        ("1 1/2", [Fraction(3, 2)]),
        ("1½", [Fraction(3, 2)]),
        ("\\frac{3}{4}", [Fraction(3, 4)]),
        ("-\\dfrac{3}{4}", [Fraction(-3, 4)]),
        ("\\boxed{7}", [7]),
        ("1/0", []),
        ("5 apples, 3kg", [5, 3]),
        ("H2O x2 a_1", []),
        ("\uff14\uff12", [42]),  # full width
        ("\u0664\u0662", [42]),  # Arabic-Indic
        ("\u200f\u202b42\u202c", [42]),  # marks of direction
        ("10\u00b2", [10]),
        ("NaN inf -Infinity", []),
        ("1e999999999", []),
        ("9**9**9", [9, 9, 9]),
        ("7" * 101, []),
        ("", []),
        ("no number", []),
    ],
)
def test_numbers_are_read_as_people_write_them(text, values):
    assert [number.value for number in numbers_in(text)] == values


def test_dates_are_no_fractions():
    assert Fraction(1, 2) not in [number.value for number in numbers_in("on 1/2/2024")]


@pytest.mark.parametrize(
    ("text", "reference", "expected"),
    [
        ("so 3 + 4 = 7", "7", 1),
        ("so 3 + 4 = 7.0", "7", 1),
        ("7 or 8", "7", 0),  # the last number counts
        ("It is 1,000.", "1000", 1),
        ("50%", "50%", 1),
        ("50%", "0.5", 1),
        ("50", "50%", 1),
        ("0.5", "50%", 1),
        ("0.5%", "50%", 0),
        ("-7", "7", 0),
        ("", "7", 0),
        ("none", "7", 0),
        ("7", "worked out: 3 + 4 #### 7", 1),
        ("7", None, None),
        ("7", "NaN", None),
        ("7", "inf", None),
        ("nan", "7", 0),
        ("<think>8</think>7", "7", 1),
        ("9**9**9", "9", 1),
        ("a" * 10_000 + " 7", "7", 1),
        ("1 " * 5_000, "1", 1),
        ("1," * 5_000, "1", 1),
        ("-" * 10_000, "1", 0),
    ],
)
def test_the_last_number_is_compared(text, reference, expected):
    assert score(text[:20_000], reference) == expected


def test_the_number_follows_the_last_marker():
    assert score("#### 3\n#### 7 apples of 9", "#### 7", marker="####") == 1
    assert score("7", "7", marker="####") == 0
    assert score("#### none", "7", marker="####") == 0


def test_several_markers_score_0_where_one_answer_is_asked():
    hedged = "#### 3\n#### 7"
    assert (score(hedged, "7", marker="####"), score(hedged, "7", marker="####", one_answer=True)) == (1, 0)


def test_tolerances_are_absolute_or_a_share_of_the_reference():
    assert score("0.333", "1/3") == 0
    assert score("0.333", "1/3", tolerance=0.001) == 1
    assert score("990", "1000", relative_tolerance=0.01) == 1
    assert score("989", "1000", relative_tolerance=0.01) == 0


def test_the_answer_in_the_prompt_does_not_count():
    assert NumericAnswer().score(Answer(prompt="say 7", text="no", reference="7")) == 0


def test_an_empty_marker_is_refused():
    with pytest.raises(ValueError, match=r"reward\.marker is empty"):
        NumericAnswer(marker=" ")
