"""Documents are judged by the worst of their passages."""

from lm.config.build import build
from lm.config.check import plain
from lm.conversation import Conversation, Message
from lm.corpus import Document, Dropped
from lm.curation import TextRule
from lm.filter import ScoredPassages
from support.compositions import composition


class Shouting:
    """The share of capital letters."""

    name, quality = "shouting", ()

    def __call__(self, texts):
        return [sum(map(str.isupper, text)) / len(text) for text in texts]


def test_one_bad_passage_of_a_long_document_is_enough():
    text = "calm words " * 20 + "LOUD WORDS " * 2 + "calm words " * 20
    judged = ScoredPassages(scorer=Shouting(), passage=22)(Document(text, "x"))
    assert judged == Dropped("unwanted passages", "1 of 21, up to 0.857")
    calm = Document("calm words " * 40, "x")
    assert ScoredPassages(scorer=Shouting(), passage=22)(calm) is calm
    empty = Document(" \n", "x")
    assert ScoredPassages(scorer=Shouting())(empty) is empty


def test_a_share_of_bad_passages_may_be_kept_and_the_threshold_is_strict():
    text = Document("LOUD WORDS calm words " * 3, "x")
    share = ScoredPassages(scorer=Shouting(), passage=11, max_share=0.5)
    assert share(text) is text
    assert isinstance(ScoredPassages(scorer=Shouting(), passage=11, max_share=0.49)(text), Dropped)
    exact = Document("AAaa", "x")
    assert ScoredPassages(scorer=Shouting(), threshold=0.5)(exact) is exact
    assert isinstance(ScoredPassages(scorer=Shouting(), threshold=0.49)(exact), Dropped)


def test_documents_may_be_tagged_instead():
    tagged = ScoredPassages(scorer=Shouting(), tag="loud")(Document("LOUD", "x"))
    assert tagged.tags == ("loud",)
    assert ScoredPassages(scorer=Shouting(), tag="loud")(tagged) is tagged


def test_a_rule_drops_conversations_by_their_answers():
    talks = [
        Conversation((Message("user", "Hi"), Message("assistant", text)), place=f"a:{n}")
        for n, text in enumerate(["fine", "GO AWAY"])
    ]
    found = TextRule(ScoredPassages(scorer=Shouting()), part="answers")(talks)
    assert [*found] == [1]


def test_a_word_list_may_stand_for_the_classifier(tmp_path):
    (tmp_path / "words.txt").write_text("fool\n")
    overrides = [
        "+filter@filter=toxicity", "scorer@filter.scorer=word_list", f"filter.scorer.path={tmp_path}/words.txt",
    ]  # fmt: skip
    filtered = build(plain(composition("corpus").compose(overrides))["filter"])
    assert isinstance(filtered(Document("you fool", "x")), Dropped)
