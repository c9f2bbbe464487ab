"""What finds a person, in place of which a word stands: a model repeats what it read, and nobody asked its owner."""

import re
from dataclasses import replace
from ipaddress import ip_address

from lm.corpus import Document
from lm.filter.text.telephone import mask_phones

LETTERS = "A-Za-z0-9\u00c0-\u024f\u0370-\u052f"
LOCAL = re.compile(rf"[{LETTERS}_.+%'-]{{0,63}}[{LETTERS}_+-]\Z")
DOMAIN = re.compile(
    rf"@(?:[{LETTERS}](?:[{LETTERS}-]{{0,61}}[{LETTERS}])?\.)+([A-Za-z]{{2,18}})(?![{LETTERS}_(\[=@]|[-.]\w)"
)
FILES = frozenset(
    [
        "png",
        "jpg",
        "jpeg",
        "gif",
        "svg",
        "webp",
        "ico",
        "css",
        "js",
        "ts",
        "json",
        "html",
        "htm",
        "php",
        "py",
        "md",
        "txt",
        "pdf",
        "zip",
        "gz",
        "so",
        "dll",
        "exe",
    ]
)
# Each begins with what it must begin with, and only then looks back: so most of a text is passed over at once.
IPV4 = re.compile(r"\d(?<![\w.\-]\d)\d{0,2}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\w\-]|\.\w)", re.ASCII)
PUBLIC_IPV6 = re.compile(r"[23](?<![\w:.].)[0-9a-f]{3}:[0-9a-f:]*[0-9a-f](?![\w:]|\.\w)", re.IGNORECASE)
IPV6 = re.compile(r"(?<![\w:.])(?:[0-9a-f]{1,4}|:):[0-9a-f:]*[0-9a-f](?![\w:]|\.\w)", re.IGNORECASE)
VERSION = re.compile(
    r"(?:\bv|\bversions?|\brelease[ds]?|\bbuild|\bver\.?|\brev(?:ision)?|\bfirmware|§|\bsections?|\bsec\.|\bchapter|\bclause)"
    r"\s*[:=]?\s*$",
    re.IGNORECASE,
)
# What issuers begin with and how many digits follow: Visa, Mastercard, American Express, Diners, JCB, Discover,
# UnionPay, Maestro.
CARD = re.compile(
    r"[2-6](?<![\w.\-].)(?:\d{3}([ \-])\d{4}\1\d{4}\1\d{4}|\d{3}([ \-])\d{6}\2\d{4,5}|\d{12,18})(?![\w\-]|\.\d)",
    re.ASCII,
)
ISSUED = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}|"
    r"3(?:0[0-5]|[689]\d)\d{11}|35(?:2[89]|[3-8]\d)\d{12}|6(?:011|4[4-9]\d|5\d\d)\d{12}|62\d{14,17}|(?:5018|5020|5038|6304|67\d\d)\d{9,15}"
)


class Personal:
    """Each kind has its word, or null to leave it: special tokens are never in a text, so `<email>` is plain text.

    Sure rather than complete: names, postal addresses and `ana (at) example` stay; so do telephone numbers that nothing
    marks as such. Four numbers below 10 with dots are a version or a section. Of 16 digits that begin as a card's do,
    one in ten has the right check digit by chance.
    """

    def __init__(
        self,
        *,
        email: str | None = "<email>",
        phone: str | None = "<phone>",
        address: str | None = "<address>",
        card: str | None = "<card>",
        keep_private: bool = True,
    ):
        words = {"email": email, "phone": phone, "address": address, "card": card}
        if not any(word is not None for word in words.values()):
            raise ValueError("filter.email, phone, address and card are all null: give a word for one, as <email>")
        for key, word in words.items():
            if word is not None and re.search(r"[\d@]", word):
                raise ValueError(f"filter.{key} {word!r} has a digit or @, as what it hides: give a word, as <{key}>")
        self.email, self.phone, self.address, self.card, self.keep_private = email, phone, address, card, keep_private
        hexadecimal = "" if keep_private else "|:[0-9a-f]{0,4}:"
        self.worth_a_look = re.compile(rf"\d(?:[\d .\-/()]{{6}}|[\da-f]{{3}}:){hexadecimal}", re.ASCII | re.IGNORECASE)

    def __call__(self, document: Document) -> Document:
        text = document.text
        if self.email is not None and "@" in text:
            text = _mask_emails(text, self.email)
        text = self._mask_numbers(text)
        return document if text == document.text else replace(document, text=text)

    def _mask_numbers(self, text: str) -> str:
        """Only the lines that have one worth a look are looked at: most have none."""
        pieces, done = [], 0
        for found in self.worth_a_look.finditer(text):
            if found.start() >= done:
                start, end = text.rfind("\n", 0, found.start()) + 1, text.find("\n", found.end())
                end = len(text) if end < 0 else end
                pieces += [text[done:start], self._mask_line(text[start:end])]
                done = end
        return "".join([*pieces, text[done:]]) if pieces else text

    def _mask_line(self, line: str) -> str:
        if self.address is not None:
            line = IPV4.sub(self._mask_address, line)
            if ":" in line:
                line = (PUBLIC_IPV6 if self.keep_private else IPV6).sub(self._mask_address, line)
        if self.card is not None:
            line = CARD.sub(lambda found: self.card if is_card(found[0]) else found[0], line)
        return line if self.phone is None else mask_phones(line, self.phone)

    def _mask_address(self, found: re.Match) -> str:
        try:
            address = ip_address(found[0])
        except ValueError:
            return found[0]
        if address.version == 6:
            public = 0x2000 <= int(address) >> 112 < 0x4000 and address.is_global
        else:
            before = found.string[max(0, found.start() - 16) : found.start()]
            if VERSION.search(before) or max(address.packed) < 10:
                return found[0]
            public = address.is_global and not address.is_multicast
        return self.address if public or (address.is_private and not self.keep_private) else found[0]


def is_card(written: str) -> bool:
    """Whether an issuer numbers its cards so, and the check digit is right (ISO/IEC 7812, Luhn)."""
    digits = re.sub(r"\D", "", written)
    if not ISSUED.fullmatch(digits):
        return False
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


def _mask_emails(text: str, placeholder: str) -> str:
    pieces, done = [], 0
    for found in DOMAIN.finditer(text):
        local = LOCAL.search(text, max(done, found.start() - 64), found.start())
        ending = found[1]
        if local is None or ending.lower() in FILES or not (ending.islower() or ending.isupper() or ending.istitle()):
            continue
        if local[0] == "git" and text.startswith(":", found.end()):  # git@github.com:owner/name
            continue
        start = local.start() + len(local[0]) - len(local[0].lstrip("'.%-"))
        pieces += [text[done:start], placeholder]
        done = found.end()
    return "".join([*pieces, text[done:]]) if pieces else text
