"""Languages are identified offline; short texts are reported as too short."""

import json
import pickle
import subprocess
import sys
import tarfile

import pytest

from lm.corpus import Document, Dropped
from lm.filter import Language
from support.shared_texts import DATA, documents, install_guides, needs_data, parts

pytest.importorskip("fasttext", reason="needs the extra lightning-lm[corpus]")
ENGLISH = "The quick brown fox jumps over the lazy dog, as it has done in every book on typing."
GERMAN = "Die Katze schläft auf dem warmen Ofen, während draußen der Regen an die Fenster schlägt."
# Of three-letter codes those of the model.
SURE = dict(  # noqa: C408  (sixty pairs)
    afr="af", ara="ar", aze="az", bel="be", ben="bn", bre="br", bul="bg", cat="ca", ces="cs", cor="kw", cym="cy",
    dan="da", deu="de", ell="el", epo="eo", est="et", eus="eu", fin="fi", fra="fr", gla="gd", gle="ga", heb="he",
    hin="hi", hun="hu", hye="hy", ind="id", isl="is", ita="it", jpn="ja", kat="ka", kaz="kk", khm="km", kor="ko",
    lat="la", lit="lt", lvs="lv", mal="ml", mar="mr", mkd="mk", nds="nds", nld="nl", pes="fa", pol="pl", por="pt",
    ron="ro", rus="ru", spa="es", sqi="sq", srp="sr", swe="sv", tam="ta", tat="tt", tgl="tl", tha="th", tur="tr",
    uig="ug", ukr="uk", urd="ur", vie="vi", yid="yi", cmn="zh",
)  # fmt: skip


def test_a_document_gets_its_language():
    given = Document(GERMAN, "x", "prose", "g", "s", "", ("t",))
    assert Language()(given) == Document(GERMAN, "x", "prose", "g", "s", "de", ("t",))
    known = Document(ENGLISH, "x", language="en")
    assert Language()(known) is known
    assert Language()(Document(ENGLISH.upper(), "x")).language == "en"
    assert Language()(Document(f"{ENGLISH} \ud800", "x")).language == "en"
    assert Language()(Document(ENGLISH.replace(" ", "\n"), "x")).language == "en"


def test_only_listed_languages_are_kept():
    assert Language(languages=["en", "fr"])(Document(ENGLISH, "x")).language == "en"
    dropped = Language(languages=["en", "fr"])(Document(GERMAN, "x"))
    assert dropped.reason == "another language"
    assert dropped.detail.startswith("de ")


def test_a_language_below_the_minimum_score_is_unsure():
    mixed = Document("lorem ipsum la casa the house dom huis maison 42 foo bar baz qux", "x")
    assert Language(min_score=1)(mixed).reason == "language unsure"
    assert Language(min_score=0)(mixed).language


def test_a_text_too_short_to_identify_is_kept_or_dropped():
    short = Document("42 km/h, 17 %", "x")
    assert Language(languages=["de"])(short) is short
    assert Language(too_short="drop")(short) == Dropped("too short to tell the language", "3 letters")
    assert Language(too_short="drop", min_letters=2, min_score=0)(Document("der Hund", "x")).language


def test_a_long_document_is_sampled_in_three_places():
    header = "Copyright notice: redistribution and use in source and binary forms are permitted. " * 3
    assert Language()(Document(header + GERMAN * 20, "x")).language == "de"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"languages": []}, "filter.languages must be a list of codes"),
        ({"languages": "en"}, "filter.languages must be a list of codes"),
        ({"languages": ["en", "DE"]}, "filter.languages 'DE' is not a language of the model: did you mean de?"),
        ({"languages": ["klingon"]}, "filter.languages 'klingon' is not a language of the model: (did|give)"),
        ({"min_score": 2}, "filter.min_score 2 is not a probability: give"),
        ({"characters": 0}, "filter.characters .*: give"),
        ({"too_short": "cut"}, "filter.too_short 'cut' is unknown: give keep or drop"),
    ],
)
def test_a_bad_parameter_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Language(**options)


WATCHED = """
import json, os, pickle, sys
touched = []
def watch(event, arguments):
    if event.startswith("socket.") or event == "open" and set(str(arguments[1])) & set("wax+"):
        touched.append([event, str(arguments[0])])
sys.addaudithook(watch)
sys.dont_write_bytecode = True
from lm.corpus.document import Document
from lm.filter import Language
kept = pickle.loads(pickle.dumps(Language(languages=["en"])))(Document(sys.argv[1], "x"))
print(json.dumps([kept.language, touched]))
"""


def test_it_opens_no_socket_and_writes_no_file(tmp_path):
    """Even if the home and the temporary directory are read-only."""
    nowhere = str(tmp_path / "none")
    environment = {"HOME": nowhere, "TMPDIR": nowhere, "PYTHONPATH": ":".join(filter(None, sys.path)), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, ENGLISH], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["en", []]


def test_a_used_filter_can_be_pickled():
    language = Language(languages=["de"])
    assert pickle.loads(pickle.dumps(language))(Document(GERMAN, "x")) == language(Document(GERMAN, "x"))


@needs_data
def test_eight_sentences_identify_sixty_languages():
    language = Language(min_score=0)
    right, counted = dict.fromkeys(SURE, 0), dict.fromkeys(SURE, 0)
    with tarfile.open(DATA / "tatoeba112" / "tatoeba_v1.tar.gz") as archive:
        for member in archive:
            code = member.name.rpartition(".")[2]
            if code in SURE:
                lines = archive.extractfile(member).read().decode().split("\n")[:400]
                for document in documents([" ".join(lines[n : n + 8]) for n in range(0, len(lines) - 8, 8)]):
                    counted[code] += 1
                    right[code] += language(document).language == SURE[code]
    assert all(counted.values())
    assert {code: right[code] / counted[code] for code in SURE if right[code] < 0.94 * counted[code]} == {}


@needs_data
def test_translated_parts_of_a_book_are_in_its_language():
    """The guides have untranslated passages, so English may be found as well, and nothing else."""
    for code, guide in install_guides().items():
        kept = [Language()(document) for document in documents(parts(guide, 2000))]
        found = [document.language for document in kept if isinstance(document, Document)]
        assert found.count(code[:2]) >= 0.75 * len(kept), code
        others = [language for language in found if language not in (code[:2], "en")]
        assert len(others) <= 0.02 * len(kept), (code, others)
