"""Personal data is masked, and look-alikes are not."""

import pickle
import random
from time import perf_counter

import pytest

from lm.corpus import Document
from lm.filter import Personal
from lm.filter.personal import is_card
from support.shared_texts import documents, needs_data, novels, wikipedia, wikitext

SENTENCES = [
    "You reach me under {}.", "{}", "Ask Ana ({}), who knows.", "first line\n{}\nlast",
    "see: {}, or write", "“{}”", "is it {}?", "2 of 3: {} and more", "<a>{}</a>", "| 17 | {} | x |",
    "'{}'", "an,{},x",
]  # fmt: skip
ALIKE = [
    "1.10.20.30.40", "a93.184.216.34", "2000000000000006", "01 02 2003 14", "01.02.2003.1530",
    "03 12 34 56", "5 020 7946 0958 12", "3 01234 567890 17", "99 0345 678 901 4400", "06-12-34-56",
    "@property", "user@host", "a@b", "icon@2x.png", "x = a@b.T", "y = w@model.weight[0]",
    "git@github.com:owner/name.git", "@ana_maria", "ana @ example.org", "2021-03-04", "04.03.2021 10:15",
    "03/04/2021", "12:30:45", "1998 1999 2000 2001", "ISBN 0-306-40615-2", "ISBN 978-0-306-40615-7",
    "0306406152", "9780306406157", "version 10.2.3.14", "v1.22.33.44", "1.2.3", "1.2.3.4 Results",
    "section 12.3.4.1", "8.8.8.8", "256.1.1.1", "10.20.30", "1,234,567,890", "3.14159265358979",
    "1234567890123456", "20210304123456", "000123456789", "00:1a:2b:3c:4d:5e", "std::vector::begin",
    "2001:3", "192.168.0.1", "127.0.0.1", "10.0.0.17", "::1", "fe80::1", "deadbeef01234567", "+1",
    "+200000 jobs", "-555 1234", "1 000 000 000", "4111111111111112", "4111 1111 1111 1112",
    "9111111111111111", "1939–1945", "pp. 1234-1267", "(1998) 1234-5678", "$4,000,000", "0.123456789",
    "01-02-2003", "01/02/2003", "2003-01-02T03:04:05", "a1234567890b", "1 2 3 4 5 6 7 8 9", "12 345 678",
    "200 300 4000 5000", "012 345 678 901 234", "RFC 2616-3986-5321",
    "550e8400-e29b-41d4-a716-446655440000", "1e+10000000", "x+12345678", "52°31′12″", "1024x768",
    "call 2021-03-04", "12.5.2020 08:30", "Nr. 2020/123456", "0x0171123456", "007 007",
]  # fmt: skip
SERVERS = {
    "4.72.9.130": True, "93.184.216.34": True, "2606:2800:220:1:248:1893:25c8:1946": True,
    "2a00:1450:4001:81b::200e": True, "192.168.1.20": False, "10.1.2.3": False, "172.16.5.4": False,
    "127.0.0.1": False, "fe80::1ff:fe23:4567:890a": False, "fd12:3456:789a:1::1": False,
    "169.254.3.12": False,
}  # fmt: skip
PHONES = [
    "+49 30 ######", "+49 (0)171 #######", "+49-89-######", "+33 # ## ## ## ##", "+44 20 #### ####",
    "+1 212 555 ####", "+1-415-555-####", "+1 (646) 555-####", "+9198########", "+86 138 #### ####",
    "+7 (495) ###-##-##", "+55 11 9####-####", "+351 21 ### ####", "+972-3-###-####", "(212) 555-####",
    "212-555-####", "1-800-555-####", "415.555.####", "030 ########", "0171/#######", "0171 #######",
    "(030) ######", "0# ## ## ## ##", "0#.##.##.##.##", "020 7### ####", "0161 496 ####", "07700 ######",
    "(02) #### ####", "03-####-####", "010-####-####", "0412 345 ###", "044 668 ## ##", "(11) 9####-####",
    "(19) 9####-####", "0049 30 ######", "020-#######", "030/## ## ## ##", "Tel.: ### ####",
    "phone 612 ### ###", "call 98### #####", "Tel: 212555####", "тел. 495 ### ## ##", "fax: ###-####",
    "电话：138########", "WhatsApp 6## ### ###", "Mobile: 07#########", "Telefon ######-##",
]  # fmt: skip
KINDS = ("email", "phone", "address", "card")


def masked(text: str, **options) -> str:
    return Personal(**options)(Document(text, "x")).text


def draw_email(draw: random.Random) -> str:
    name = draw.choice(
        ["ana", "jean.luc", "o'brien", "k_miller", "müller", "a", "x.y.z", "info+spam", "J.R.R", "иван", "42"]
    )
    host = draw.choice(
        ["example.org", "mail.uni-bonn.de", "x.co.uk", "bücher.ch", "GMAIL.COM", "firm.museum", "a-b.io", "st.example"]
    )
    return f"{name}{draw.choice(['', str(draw.randrange(100))])}@{host}"


def draw_phone(draw: random.Random) -> str:
    return "".join(str(draw.randrange(1, 10)) if letter == "#" else letter for letter in draw.choice(PHONES))


def draw_address(draw: random.Random) -> str:
    if draw.random() < 0.3:
        return ":".join(["2a02", *(f"{draw.randrange(1, 65536):x}" for _ in range(7))])
    numbers = draw.choice([4, 23, 88, 93, 185, 212]), draw.randrange(256), draw.randrange(256), draw.randrange(10, 256)
    return ".".join(map(str, numbers))


def draw_card(draw: random.Random) -> str:
    start, size = draw.choice(
        [("4", 16), ("51", 16), ("2223", 16), ("37", 15), ("6011", 16), ("3530", 16), ("36", 14), ("62", 16), ("4", 19)]
    )
    digits = start + "".join(str(draw.randrange(10)) for _ in range(size - 1 - len(start)))
    doubled = [int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(digits))]
    digits += str(-sum(number - 9 if number > 9 else number for number in doubled) % 10)
    blank = draw.choice(["", " ", "-"])
    cuts = (4, 10, 15) if size == 15 else (4, 8, 12, 16) if size == 16 else (size,)
    return blank.join(digits[start:stop] for start, stop in zip((0, *cuts[:-1]), cuts, strict=True))


@pytest.mark.parametrize(
    ("kind", "draw_one"), [("email", draw_email), ("phone", draw_phone), ("address", draw_address), ("card", draw_card)]
)
def test_two_hundred_planted_items_are_masked_among_look_alikes(kind, draw_one):
    draw = random.Random(1)
    missed = []
    for number in range(200):
        planted, sentence = draw_one(draw), SENTENCES[number % len(SENTENCES)]
        around = "\n".join(draw.sample(ALIKE, 3))
        text = masked(f"{around}\n{sentence.format(planted)}\n{around}")
        digits = "".join(letter for letter in planted if letter.isdigit())
        rest = text.removeprefix(around).removesuffix(around)
        if f"<{kind}>" not in rest or (kind != "email" and digits[-4:] in rest):
            missed.append((sentence.format(planted), rest))
        assert text.startswith(around), text
        assert text.endswith(around), text
    assert len(missed) <= 2, missed


@pytest.mark.parametrize("text", ALIKE)
def test_look_alikes_are_unchanged(text):
    for sentence in ("{}", "It is {} here.", "first\n{}\nlast"):
        document = Document(sentence.format(text), "x")
        assert Personal()(document) is document, Personal()(document).text


@pytest.mark.parametrize(("address", "public"), SERVERS.items())
def test_addresses_of_private_networks_are_kept_by_default(address, public):
    assert masked(f"from {address}.") == ("from <address>." if public else f"from {address}.")
    assert masked(f"from {address}.", keep_private=False) == "from <address>."


@pytest.mark.parametrize("text", ["std::a", "a::b", "dead::beef", "1::2", "12:30:45", "224.0.0.251"])
def test_times_names_and_multicast_are_not_addresses(text):
    assert masked(text, keep_private=False) == text


def test_a_card_number_needs_a_valid_check_digit():
    valid = [
        "4111111111111111",
        "5500 0000 0000 0004",
        "340000000000009",
        "3566-0020-2036-0505",
        "6011000000000004",
        "30000000000004",
    ]
    assert all(map(is_card, valid))
    for card in valid:
        others = [card[:-1] + str(digit) for digit in range(10) if str(digit) != card[-1]]
        assert not any(map(is_card, others)), card
        assert masked(f"paid with {card}.") == "paid with <card>."
        assert all(masked(f"paid with {other}") == f"paid with {other}" for other in others)


def test_each_kind_has_its_placeholder_or_is_left():
    text = "ana@example.org +49 30 123456 93.184.216.34 4111111111111111"
    assert masked(text) == "<email> <phone> <address> <card>"
    assert masked(text, email="[mail]", phone=None, ip_address=None, card="") == "[mail] +49 30 123456 93.184.216.34 "
    with pytest.raises(ValueError, match=r"filter.email, phone, ip_address and card are all null: give"):
        Personal(email=None, phone=None, ip_address=None, card=None)
    with pytest.raises(ValueError, match=r"filter.phone '555' has a digit or @.*: give"):
        Personal(phone="555")


REPEATED = [
    "1", "1 ", "1-", "+", "+1", "(0", "a.", "a@", "a@b.", "a.b@c", "12:", "2::", "tel 1", "4111 ",
]  # fmt: skip


@pytest.mark.parametrize("piece", REPEATED)
def test_no_text_takes_quadratic_time(piece):
    """A backtracking regular expression would take minutes."""
    began = perf_counter()
    Personal(keep_private=False)(Document(piece * 100_000, "x"))
    assert perf_counter() - began < 10


def test_masking_is_idempotent_and_the_filter_can_be_pickled():
    once = pickle.loads(pickle.dumps(Personal()))(Document("ana@example.org, +49 30 123456", "x"))
    assert once.text == "<email>, <phone>"
    assert Personal()(once) is once


@needs_data
def test_novels_and_encyclopedias_have_fewer_than_one_match_in_ten_megabytes():
    """There were no matches in 27 MB when this was written; a match there is most likely false."""
    texts = [*novels(), *wikipedia(), wikitext()]
    found = sum(Personal()(document).text.count(f"<{kind}>") for document in documents(texts) for kind in KINDS)
    assert found <= sum(map(len, texts)) / 10_000_000
