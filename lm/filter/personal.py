"""Replace e-mail addresses, telephone numbers, IP addresses and card numbers by placeholders."""

import re
from dataclasses import replace
from ipaddress import ip_address

from lm.corpus import Document
from lm.filter.text.phone_numbers import mask_phones

LETTERS = "A-Za-z0-9\u00c0-\u024f\u0370-\u052f"
LOCAL = re.compile(rf"[{LETTERS}_.+%'-]{{0,63}}[{LETTERS}_+-]\Z")
DOMAIN = re.compile(
    rf"@(?:[{LETTERS}](?:[{LETTERS}-]{{0,61}}[{LETTERS}])?\.)+([A-Za-z]{{2,18}})(?![{LETTERS}_(\[=@]|[-.]\w)"
)
FILE_ENDING = re.compile(
    "png|jpg|jpeg|gif|svg|webp|ico|css|js|ts|json|html|htm|php|py|md|txt|pdf|zip|gz|so|dll|exe", re.IGNORECASE
)
# Each pattern begins with its first character and only then looks behind, so most of a text is skipped at once.
IPV4 = re.compile(r"\d(?<![\w.\-]\d)\d{0,2}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\w\-]|\.\w)", re.ASCII)
PUBLIC_IPV6 = re.compile(r"[23](?<![\w:.].)[0-9a-f]{3}:[0-9a-f:]*[0-9a-f](?![\w:]|\.\w)", re.IGNORECASE)
IPV6 = re.compile(r"(?<![\w:.])(?:[0-9a-f]{1,4}|:):[0-9a-f:]*[0-9a-f](?![\w:]|\.\w)", re.IGNORECASE)
VERSION = re.compile(
    r"(?:\bv|\bversions?|\brelease[ds]?|\bbuild|\bver\.?|\brev(?:ision)?|\bfirmware|§|\bsections?|\bsec\.|\bchapter|\bclause)"
    r"\s*[:=]?\s*$",
    re.IGNORECASE,
)
# Leading digits and lengths by issuer: Visa, Mastercard, American Express, Diners, JCB, Discover, UnionPay, Maestro.
CARD = re.compile(
    r"[2-6](?<![\w.\-].)(?:\d{3}([ \-])\d{4}\1\d{4}\1\d{4}|\d{3}([ \-])\d{6}\2\d{4,5}|\d{12,18})(?![\w\-]|\.\d)",
    re.ASCII,
)
ISSUED = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}|"
    r"3(?:0[0-5]|[689]\d)\d{11}|35(?:2[89]|[3-8]\d)\d{12}|6(?:011|4[4-9]\d|5\d\d)\d{12}|62\d{14,17}|(?:5018|5020|5038|6304|67\d\d)\d{9,15}"
)


class Personal:
    """Replace personal data by placeholders, since a model may repeat what it has read.

    Precision comes before recall: names, postal addresses, `ana (at) example` and unmarked telephone numbers stay, and
    four numbers below 10 with dots count as a version. Of 16 digits that begin like a card number, one in ten passes
    the check by chance. Placeholders are plain text, not special tokens.

    Args:
        email: Placeholder for e-mail addresses; null leaves them.
        phone: Placeholder for telephone numbers, international or in a national notation; null leaves them.
        ip_address: Placeholder for IPv4 and IPv6 addresses; null leaves them.
        card: Placeholder for payment card numbers with a valid check digit; null leaves them.
        keep_private: Leave IP addresses of private networks, such as 192.168.0.1, which identify nobody.
    """

    def __init__(
        self,
        *,
        email: str | None = "<email>",
        phone: str | None = "<phone>",
        ip_address: str | None = "<address>",
        card: str | None = "<card>",
        keep_private: bool = True,
    ):
        placeholders = {"email": email, "phone": phone, "ip_address": ip_address, "card": card}
        if not any(placeholder is not None for placeholder in placeholders.values()):
            raise ValueError("filter.email, phone, ip_address and card are all null: give one a placeholder")
        for key, placeholder in placeholders.items():
            if placeholder is not None and re.search(r"[\d@]", placeholder):
                raise ValueError(f"filter.{key} {placeholder!r} has a digit or @, like what it hides: give <{key}>")
        self.email, self.phone, self.ip_address, self.card = email, phone, ip_address, card
        self.keep_private = keep_private
        hexadecimal = "" if keep_private else "|:[0-9a-f]{0,4}:"
        self.candidates = re.compile(rf"\d(?:[\d .\-/()]{{6}}|[\da-f]{{3}}:){hexadecimal}", re.ASCII | re.IGNORECASE)

    def __call__(self, document: Document) -> Document:
        text = document.text
        if self.email is not None and "@" in text:
            text = _mask_emails(text, self.email)
        text = self._mask_numbers(text)
        return document if text == document.text else replace(document, text=text)

    def _mask_numbers(self, text: str) -> str:
        """Mask the lines that have a candidate; most have none."""
        pieces, done = [], 0
        for match in self.candidates.finditer(text):
            if match.start() >= done:
                start, end = text.rfind("\n", 0, match.start()) + 1, text.find("\n", match.end())
                end = len(text) if end < 0 else end
                pieces += [text[done:start], self._mask_line(text[start:end])]
                done = end
        return "".join([*pieces, text[done:]]) if pieces else text

    def _mask_line(self, line: str) -> str:
        if self.ip_address is not None:
            line = IPV4.sub(self._mask_address, line)
            if ":" in line:
                line = (PUBLIC_IPV6 if self.keep_private else IPV6).sub(self._mask_address, line)
        if self.card is not None:
            line = CARD.sub(lambda match: self.card if is_card(match[0]) else match[0], line)
        return line if self.phone is None else mask_phones(line, self.phone)

    def _mask_address(self, match: re.Match) -> str:
        try:
            address = ip_address(match[0])
        except ValueError:
            return match[0]
        if address.version == 6:
            public = 0x2000 <= int(address) >> 112 < 0x4000 and address.is_global
        else:
            before = match.string[max(0, match.start() - 16) : match.start()]
            if VERSION.search(before) or max(address.packed) < 10:
                return match[0]
            public = address.is_global and not address.is_multicast
        return self.ip_address if public or (address.is_private and not self.keep_private) else match[0]


def is_card(written: str) -> bool:
    """Whether a number has an issuer's leading digits and length, and a valid check digit (ISO/IEC 7812, Luhn)."""
    digits = re.sub(r"\D", "", written)
    if not ISSUED.fullmatch(digits):
        return False
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


def _mask_emails(text: str, placeholder: str) -> str:
    pieces, done = [], 0
    for domain in DOMAIN.finditer(text):
        local = LOCAL.search(text, max(done, domain.start() - 64), domain.start())
        ending = domain[1]
        if (
            local is None
            or FILE_ENDING.fullmatch(ending)
            or not (ending.islower() or ending.isupper() or ending.istitle())
        ):
            continue
        if local[0] == "git" and text.startswith(":", domain.end()):  # git@github.com:owner/name
            continue
        start = local.start() + len(local[0]) - len(local[0].lstrip("'.%-"))
        pieces += [text[done:start], placeholder]
        done = domain.end()
    return "".join([*pieces, text[done:]]) if pieces else text
