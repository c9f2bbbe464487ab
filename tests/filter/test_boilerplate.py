"""Short boilerplate lines are removed, and nothing else."""

import pickle

import pytest

from lm.config.build import build
from lm.config.check import plain
from lm.corpus import Document, Dropped
from lm.filter import Boilerplate
from lm.filter.boilerplate import PATTERNS
from support.compositions import composition
from support.shared_texts import documents, install_guides, needs_data, novels, wikipedia, wikitext

NOISE = [
    "We use cookies to give you the best experience.", "This website uses cookies", "Share on Facebook",
    "Tweet this on Twitter", "© 2019 Example Ltd. All rights reserved.",
    "Copyright (c) 2001-2004, ACME. All Rights Reserved", "All rights reserved.", "Click here",
    "» Click here to read more...", "Please enable JavaScript to view the comments.", "JavaScript is disabled",
    "Your browser does not support the video tag", "Skip to main content", "Read more →",
    "Privacy Policy | Terms of Use", "Accept all cookies", "Sign up for our weekly newsletter!", "Previous post",
    "Leave a comment", "Advertisement", "By continuing to browse you agree to our cookie policy", "Page 3 of 17",
    "  • Log in  ",
]  # fmt: skip
TEXT = [
    "She output him to click here, and he did.", "All rights reserved for women were won late.",
    "Cookies are baked at 180 °C.", "We use cookie cutters for this dough.", "Share the cake on four plates.",
    "JavaScript is a language of the web.", "", "Facebook was founded in 2004.", "Next, we solve for x.",
    "The previous post was held by his uncle.", "Read more books.", "The privacy policy of Rome was simple.",
    "# privacy", "    return menu", "Follow me on this thought.",
]  # fmt: skip


def test_boilerplate_lines_are_removed_and_other_lines_stay():
    given = [line for pair in zip(NOISE, NOISE[::-1], strict=True) for line in (*pair, "kept")]
    assert Boilerplate()(Document("\n".join(given), "x")).text == "\n".join(["kept"] * len(NOISE))
    document = Document("\n".join(TEXT), "x")
    assert Boilerplate()(document) is document


@pytest.mark.parametrize("line", NOISE)
def test_a_document_without_other_lines_is_dropped(line):
    assert Boilerplate()(Document(f"{line}\n\n{line}", "x")) == Dropped(
        "only boilerplate", f"2 lines, the first {line.strip()!r}"
    )


def test_only_short_lines_are_checked():
    line = "click here to " + "x" * 106
    assert Boilerplate(patterns=["click here to x+"])(Document(f"a\n{line}", "x")).text == "a"
    assert Boilerplate(patterns=["click here to x+"], max_line_length=119)(Document(line, "x")).text == line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patterns": []}, "filter.patterns must be a list"),
        ({"patterns": "click"}, "filter.patterns must be a list"),
        ({"patterns": ["fine", "(c"]}, r"filter.patterns '\(c' is not a regular expression: .*; write"),
        ({"max_line_length": 0}, "filter.max_line_length 0 matches no line: give"),
    ],
)
def test_a_bad_parameter_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Boilerplate(**options)


def test_the_config_lists_the_default_patterns():
    config = plain(composition("corpus").compose(["+filter@filter=boilerplate"]))
    assert config["filter"]["patterns"] == list(PATTERNS)
    assert isinstance(pickle.loads(pickle.dumps(build(config["filter"]))), Boilerplate)


@needs_data
def test_books_and_encyclopedias_have_no_boilerplate():
    given = documents([*novels(), *wikipedia(), *install_guides().values(), wikitext()])
    assert [document.id for document in given if Boilerplate()(document) is not document] == []
