"""Find telephone numbers by a plus, a trunk 0, brackets, or a word such as `phone` before them.

Bare digits do not count without such a word, since dates, ISBNs and versions look alike. So numbers of 9 or 10 digits,
as Spain, Poland or India write them, are missed where no word announces them.
"""

import re

# A number must not be part of a longer number, a name or a path.
START, END = r"(?<![\w+@/])(?<!\d[.:\-])", r"(?![\w@]|[-.:/]\d)"
FORMS = (
    r"\+[1-9]\d{0,2}[ .\-/]{0,2}(?:\(0?\d{1,4}\)[ .\-]?)?\d{1,5}(?:[ .\-/]?\d{1,5}){1,5}",  # +49 (0)30 123456
    r"00[1-9]\d{0,2}[ \-/]\(?\d{1,4}\)?(?:[ \-]\d{2,8}){1,4}",  # 0049 30 123456
    r"(?:1[ .\-])?\([2-9]\d\d\)[ \-]?[2-9]\d\d[ .\-]\d{4}",  # (212) 555-1234
    r"(?:1[.\-])?[2-9]\d\d([.\-])[2-9]\d\d\1\d{4}",  # 212-555-1234
    r"\([1-9]\d{1,2}\)[ \-]?\d{3,5}[ \-]\d{3,4}",  # (11) 91234-5678
    r"\(0\d{1,5}\)[ /\-]{0,3}\d{2,8}(?:[ \-]\d{2,8}){0,4}",  # (030) 123456
    r"0[1-9]\d{0,4}([ .\-])\d{2,4}(?:\2\d{2,4}){1,4}",  # 01 23 45 67 89, 020 7946 0958, 0412-345-678
    r"0[1-9]\d{0,4}(?: ?[/\-] ?| )\d{5,8}",  # 0171/1234567, 010-12345678, 07700 900123
    r"0[1-9]\d{0,4} ?/ ?\d{2,4}(?: \d{2,4}){1,3}",  # 030/12 34 56 78
)
NUMBER = re.compile(f"{START}(?:{'|'.join(FORMS)}){END}", re.ASCII)
DIGITS = re.compile(r"\d(?:[ .\-/()]{0,3}\d){6,}", re.ASCII)  # a necessary condition, checked first
WORDS = (
    r"t[eé]l[eéè]?(?:f[oó]no?s?|ph?one?s?|efones?|efono)?|phones?|call(?: us)?|dial|fax|mobile?|m[oó]vil|handy|"
    r"cell(?:ulare?)?|whatsapp|portable|rufnummer|hotline|helpline|sms|тел(?:ефон)?|电话|手机|電話|携帯"
)
ANNOUNCED = re.compile(
    rf"(?<![^\W_])(?:{WORDS})(?:\s?(?:number|no|nr|n°|numéro|is|at|on|me))*[.:#\s(+：]{{0,4}}\Z", re.IGNORECASE
)
DATE = re.compile(r"(?:\d{1,2}([./\- ])\d{1,2}\1(?:19|20)\d\d|(?:19|20)\d\d([./\-])\d{1,2}\2\d{1,2})\b", re.ASCII)
ANNOUNCEMENT = 24  # characters before a number that may announce it


def mask_phones(text: str, placeholder: str) -> str:
    """Replace each telephone number by `placeholder`."""
    pieces, done = [], 0
    for run in DIGITS.finditer(text):
        for start, stop in _phones(text, run):
            if start >= done:
                pieces += [text[done:start], placeholder]
                done = stop
    return "".join([*pieces, text[done:]]) if pieces else text


def _phones(text: str, run: re.Match) -> list[tuple[int, int]]:
    """Return the spans of the numbers within a run of digits and signs."""
    before = text[max(0, run.start() - ANNOUNCEMENT) : run.start()]
    if ANNOUNCED.search(before) and _count_digits(run[0]) <= 15 and not DATE.match(run[0]) and run[0].count(".") != 1:
        start = run.start() - (len(before) - len(before.rstrip("+(")))
        return [(start, run.end())]
    spans, place = [], max(0, run.start() - 2)
    while number := NUMBER.search(text, place, run.end() + 2):
        place = number.end()
        if _is_phone(number):
            spans.append(number.span())
    return spans


def _is_phone(number: re.Match) -> bool:
    written = number[0]
    if not (8 if written[0] == "+" else 9) <= _count_digits(written) <= (15 if written[:2] in ("00", *PLUS) else 11):
        return False
    if DATE.match(written):
        return False
    marked = written[0] in "+(" or not set(written) <= set("0123456789 ")
    return marked or not (
        ROW_BEFORE.search(number.string[: number.start()][-4:]) or ROW_AFTER.match(number.string, number.end())
    )


def _count_digits(written: str) -> int:
    return sum(letter.isdigit() for letter in written)


PLUS = tuple(f"+{digit}" for digit in "123456789")
ROW_BEFORE, ROW_AFTER = re.compile(r"\d +\Z", re.ASCII), re.compile(r" +\d", re.ASCII)  # in a table of numbers
