"""Broken text is repaired, other text is unchanged, and code runs as before."""

import ast
import pickle
import sys
import sysconfig
from pathlib import Path
from time import perf_counter

import pytest

from lm.corpus import Document, Dropped
from lm.filter import Clean
from lm.filter.clean import ANY
from support.shared_texts import (
    declarations,
    documents,
    install_guides,
    needs_data,
    novels,
    parts,
    web_pages,
    wikipedia,
)

pytest.importorskip("ftfy", reason="needs the extra lightning-lm[corpus]")
CLEAN = Clean()
UNSURE = ["ŠµŃŃ ŠøŠ»", "±–æ—é–Ω—á–∞ ”©”©–ª”©—Ä—Å“Ø–∑"]  # what ftfy would change into what is as bad
AS_IT_WAS = [
    *UNSURE, "naïve café — “fine”", "RÉSUMÉ À LA CARTE", "ÂÃÊÎ", "São João não", "l’été, ça créée",
    "Привет, Ёлка!", "Їжак їсть", "Größe: ½ × ¾ … €5", "日本語、中文", "שָׁלוֹם", "٣ كتب", "┌─┤é├─┐", "©®™",
    "« à Paris »", "Ď Ř Ň", "x² + y³ = z¹",
]  # fmt: skip
HOW_IT_READS = {
    "cafÃ© dÃ©jÃ\u00a0 vu": "café déjà vu",
    "Itâ€™s fine": "It’s fine",
    "â€œquotedâ€\x9d": "“quoted”",
    "cafÃƒÂ©": "café",
    "schÃ¶n, groÃŸ": "schön, groß",
    "AÃ§Ã£o e nÃ£o": "Ação e não",
    "ÐŸÑ€Ð¸Ð²ÐµÑ‚, Ð¼Ð¸Ñ€": "Привет, мир",
    "РџСЂРёРІРµС‚, РјРёСЂ": "Привет, мир",
    "æ—¥æœ¬èªž": "日本語",
    "Å‚Ã³dÅº": "łódź",
    "it\x92s": "it’s",
}


def text(given: str, **options) -> str:
    return Clean(**options)(Document(given, "x")).text


@pytest.mark.parametrize(("broken", "meant"), HOW_IT_READS.items())
def test_mojibake_is_repaired(broken, meant):
    assert text(broken) == meant
    assert text(f"one line\n{broken}\nanother") == f"one line\n{meant}\nanother"
    assert text(broken, repair=False, controls=False, zero_width=False) == broken


@pytest.mark.parametrize("given", AS_IT_WAS)
def test_text_that_only_looks_like_mojibake_is_unchanged(given):
    document = Document(given, "x")
    assert CLEAN(document) is document


@pytest.mark.parametrize(
    ("encoding", "given"),
    [
        ("windows-1252", "“L’été” – déjà vu, garçon"),
        ("latin-1", "Übergröße für Mädchen"),
        ("windows-1251", "Съешь же ещё этих мягких булок"),
        ("windows-1250", "Zażółć gęślą jaźń"),
        ("windows-1253", "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία"),
    ],
)
def test_mojibake_of_every_encoding_is_repaired_or_unchanged_but_never_worse(encoding, given):
    spoiled = given.encode().decode(encoding, errors="replace")
    repaired = text(spoiled)
    assert repaired == given or ("�" in spoiled and repaired.count("�") <= spoiled.count("�"))


def test_invisible_characters_are_removed_except_where_a_script_needs_them():
    assert text("a\u200bb\u2060c\ufeffd \u200cx \u200dy co\u00adop") == "abcd x y coop"
    assert text("safe\u202e gnp.exe\u2066x\u200f") == "safe gnp.exex"
    assert text("hidden\U000e0041\U000e0042 text") == "hidden text"
    for needed in (
        "می\u200cخواهم",
        "क्\u200dष",
        "ภาษา\u200bไทย",
        "👩\u200d👩\u200d👧",
        "❤\ufe0f\u200d🔥",
        "🏴\U000e0067\U000e0062\U000e007f",
    ):
        assert text(needed) == needed
    assert text("a\u200bb", zero_width=False) == "a\u200bb"
    assert text("a\u200fb", bidirectional=False) == "a\u200fb"
    assert text("a\u00adb", soft_hyphens=False) == "a\u00adb"


def test_control_characters_are_removed_except_tabs_and_line_endings():
    assert text("\x1b[1;31mred\x1b[0m\x00\x07 a\tb\n\x7fc") == "red a\tb\nc"
    assert text("a\x00b", controls=False) == "a\x00b"


def test_line_endings_become_newlines():
    assert text("a\r\nb\rc\r\r\nd\x0ce\u2028f") == "a\nb\nc\nd\ne\nf"
    assert text("a\r\rb", max_blank_lines=None) == "a\n\nb"
    assert text("a\r\nb", line_endings=False, controls=False) == "a\r\nb"


def test_trailing_whitespace_and_long_runs_of_blank_lines_are_removed():
    assert text("\n\n  a \t\n\tb  \n\n\n\n\nc\n\n\n") == "  a\n\tb\n\n\nc\n"
    assert text("a\n\n\nb", max_blank_lines=0) == "a\nb"
    assert text("\na\n\n\n\n\nb\n\n", max_blank_lines=None) == "\na\n\n\n\n\nb\n\n"
    assert text("a  \nb", trailing_whitespace=False) == "a  \nb"


def test_no_break_spaces_stay_by_default():
    assert text("10\u00a0km") == "10\u00a0km"
    assert text("10\u00a0km 5\u202f%", no_break_spaces=True) == "10 km 5 %"


def test_unicode_is_normalized_only_on_request():
    assert text("e\u0301 ﬁ") == "e\u0301 ﬁ"
    assert text("e\u0301 ﬁ", normal_form="NFC") == "é ﬁ"
    assert text("e\u0301 ﬁ", normal_form="NFKC") == "é fi"


def test_characters_are_removed_before_unicode_is_normalized():
    assert text("l\u00ad\u0301", normal_form="NFC") == "ĺ"


REPEATED = ["\r", " ", "\n", "\x1b[", "Ã", "Ã©", "\x80", "a\u200d", "👩\u200d", " \n", "\U000e0041"]


@pytest.mark.parametrize("piece", REPEATED)
def test_no_text_takes_quadratic_time(piece):
    """A backtracking regular expression would take minutes."""
    began = perf_counter()
    CLEAN(Document(piece * 200_000, "x"))
    assert perf_counter() - began < 10


def test_a_document_without_text_is_dropped():
    assert CLEAN(Document("\u200b\x00 \n\u00a0", "x")) == Dropped("no text left", "5 characters, none to read")


@pytest.mark.parametrize("options", [{"normal_form": "NFD"}, {"max_blank_lines": -1}])
def test_a_bad_parameter_is_refused(options):
    with pytest.raises(ValueError, match=rf"filter.{next(iter(options))} .*: give"):
        Clean(**options)


def test_the_filter_can_be_pickled_and_does_not_change_its_input():
    given = Document("Itâ€™s", "x", "code", "g", "s", "en", ("t",))
    assert pickle.loads(pickle.dumps(CLEAN))(given) == Document("It’s", "x", "code", "g", "s", "en", ("t",))
    assert CLEAN(CLEAN(given)) == CLEAN(given)


def test_a_missing_package_is_reported_at_once(monkeypatch):
    monkeypatch.setitem(sys.modules, "ftfy", None)
    with pytest.raises(ImportError):
        Clean()
    assert Clean(repair=False)


def test_python_code_parses_to_the_same_program():
    """Files of the standard library, some with form feeds, some with non-ASCII letters."""
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[::4]
    assert len(files) > 30
    for file in files:
        code = file.read_text(encoding="utf-8")
        assert shape(text(code)) == shape(code), file.name


def shape(code: str) -> str:
    """The syntax tree of a program without the content of its strings."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
    return ast.dump(tree)


@needs_data
def test_clean_text_is_unchanged():
    """Except trailing whitespace, runs of blank lines, and line endings."""
    texts = [part for novel in novels() for part in parts(novel, 20_000)] + [*web_pages(), *wikipedia()]
    texts += [part for guide in install_guides().values() for part in parts(guide, 20_000)]
    blanks = Clean(repair=False, controls=False, zero_width=False, bidirectional=False, soft_hyphens=False)
    given = [blanks(document) for document in documents(texts)]
    changed = [document for document in given if CLEAN(document) is not document]
    assert len(given) > 900
    assert len(changed) <= 0.01 * len(given), [document.text[:60] for document in changed]


@needs_data
def test_no_language_is_mistaken_for_mojibake():
    """Three of 389 texts are broken: they have C1 controls for apostrophes."""
    changed = {}
    for language, given in declarations().items():
        if given.strip():
            cleaned = text(given, trailing_whitespace=False, max_blank_lines=None, bidirectional=False)
            if cleaned != given:
                changed[language] = set(given) - set(cleaned), set(cleaned) - set(given)
    assert changed == {"kea": ({"\x92"}, {"’"}), "kng_AO": ({"\x92"}, {"’"}), "sco": ({"\x91"}, {"‘"})}


def test_no_removable_character_is_printable():
    """So a text of printable lines needs no further search."""
    every = map(chr, range(sys.maxunicode + 1))
    assert not any(character.isprintable() for character in every if ANY.match(character))
