"""Conversations are dropped for the planted reason, and others pass."""

import pytest

from lm.checkpoint.architecture import write_architecture
from lm.classifier import TextFeatures
from lm.classifier.logistic import train_classifier
from lm.classifier.scorer import FILE, save_classifier
from lm.config.build import build
from lm.config.check import examine
from lm.config.outline import config_directory, options
from lm.curation import Form, Lengths, Phrases, TextRule
from lm.filter import Duplicates, GopherRepetition, NearDuplicates, WordList
from lm.tokenizer import byte_tokenizer
from support.compositions import composition
from support.talks import conversation_of

GOOD = "The capital of France is Paris, which lies on the Seine and has been its seat of government for centuries."


def talk(answer: str, question: str = "What is the capital of France?", **more):
    return conversation_of(("user", question), ("assistant", answer), **{"place": question, **more})


def reasons(rule, *conversations) -> dict[int, str]:
    return {place: why.reason for place, why in rule(conversations).items()}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("what is the  capital of France", "the answer is the question"),
        (" ".join(["words"] * 25) + " and then it", "unfinished answer"),
        ("Here it is:\n```python\nprint(1)\n", "code that does not end"),
        ("Paris.\n\n### Instruction:\nNext one", "marks of a prompt in the answer"),
        ("Paris.\nHuman: and Spain?", "marks of a prompt in the answer"),
        ("Paris.<|im_end|>", "marks of a prompt in the answer"),
        ("[INST] Paris", "marks of a prompt in the answer"),
    ],
)
def test_malformed_answers_are_dropped(answer, reason):
    assert reasons(Form(), talk(GOOD), talk(answer), talk(GOOD)) == {1: reason}


@pytest.mark.parametrize(
    "answer",
    [
        GOOD,
        "Paris",
        "- bread\n- butter\n- a list of things whose last line has no mark",
        "```python\nprint(1)\n```",
        'He said "' + "word " * 30 + 'end."',
        "| a | b |\n|---|---|\n" + "| 1 " * 25 + "|",
        "Type `<br>` or a < b and c |> d; the assistant: no mark of a prompt.",
        "A human: a being that " + "talks " * 20 + "much.",
        "x = " + "a + " * 25 + "0.816",
        "The sum is " + "1 + " * 25 + "1 = 26",
        "Read more about " + "all " * 25 + "of it at https://example.org/a/b",
        "So happy " + "and " * 25 + "glad #puppy",
        "```sql\nSELECT " + "a, " * 25 + "b\n```",
        "for (x in y) { " + "f(x) " * 25 + "\n  /* " + "why " * 25 + "*/",
    ],
)
def test_well_formed_answers_pass(answer):
    assert reasons(Form(), talk(answer)) == {}


def test_only_what_a_user_says_is_echoed():
    turns = ("user", "Where?"), ("assistant", "In Paris."), ("tool", "found"), ("assistant", "In Paris.")
    assert reasons(Form(), conversation_of(*turns)) == {}


def test_each_check_of_form_can_be_turned_off():
    echo, cut, marked = talk("What is the capital of France?"), talk("word " * 30), talk("Paris.<|im_end|>")
    assert set(reasons(Form(), echo, cut, marked)) == {0, 1, 2}
    assert set(reasons(Form(echoes=False), echo, cut, marked)) == {1, 2}
    assert set(reasons(Form(unfinished=False), echo, cut, marked)) == {0, 2}
    assert set(reasons(Form(markers=False), echo, cut, marked)) == {0, 1}


def test_bounds_hold_for_every_turn_and_the_detail_has_the_number():
    several = conversation_of(("user", "a b"), ("assistant", "c"), ("user", "d"), ("assistant", "e " * 9))
    assert reasons(Lengths(), several) == {}
    assert reasons(Lengths(min_question=2), several) == {0: "question too short"}
    assert reasons(Lengths(max_answer=8), several) == {0: "answer too long"}
    assert Lengths(max_answer=8)([several])[0].detail == "9 words, more than 8"
    assert reasons(Lengths(max_turns=3), several) == {0: "too many turns"}
    assert reasons(Lengths(max_turns=4, max_answer=9), several) == {}
    assert reasons(Lengths(max_answer=None), talk("w " * 5000)) == {}
    with pytest.raises(ValueError, match="min_answer 9 is more than max_answer 3"):
        Lengths(min_answer=9, max_answer=3)


def test_phrases_are_found_whatever_their_case_blanks_and_apostrophes_and_only_as_whole_words():
    rule = Phrases(["I'm sorry, but", "as an AI"], reason="refusal")
    found = talk("I’M  sorry,\nbut no."), talk("Speaking AS AN ai: no."), talk("He has an aim; as an aide he erred.")
    assert reasons(rule, *found) == {0: "refusal", 1: "refusal"}
    question = talk("Yes.", question="Do you, as an AI, know it?")
    assert reasons(rule, question) == {}
    late = talk("A long story. " * 20 + "I'm sorry, but I left, she said.")
    assert reasons(rule, late) == {0: "refusal"}
    assert reasons(Phrases(["I'm sorry, but"], reason="refusal", first_characters=200), late) == {}
    for wrong in ([], [" "], "one"):
        with pytest.raises(ValueError, match="give a list"):
            Phrases(wrong, reason="x")


def test_of_equal_conversations_the_first_is_kept_and_named():
    again = talk(GOOD.upper(), question="WHAT is the capital of France"), talk(GOOD, question="And of Spain?")
    found = TextRule(Duplicates())([talk(GOOD), *again, talk(GOOD)])
    assert {place: (why.reason, why.detail) for place, why in found.items()} == {
        1: ("duplicate", "of What is the capital of France?"),
        3: ("duplicate", "of What is the capital of France?"),
    }
    assert set(TextRule(Duplicates(), part="answers")([talk(GOOD), *again])) == {1, 2}
    assert TextRule(Duplicates())([]) == {}
    short = [talk("Yes."), talk("No.")]
    assert set(TextRule(Duplicates(), part="answers", min_words=2)([*short, talk(GOOD), *short, *again])) == {5, 6}


def test_of_near_duplicates_the_longest_is_kept():
    words = [f"word{number}" for number in range(60)]
    longer, changed = " ".join([*words, "and", "more"]), " ".join([*words[:-1], "other"])
    rule = TextRule(NearDuplicates(shingle=3, keep="longest"), part="answers")
    others = [talk(" ".join(f"{place}x{number}" for number in range(60))) for place in range(20)]
    assert set(rule([talk(" ".join(words)), *others, talk(longer), talk(changed)])) == {0, 22}


def test_the_rule_of_repetition_judges_prose_and_no_code():
    config, _ = examine(composition("curate").compose(["conversations.path=x"]))
    rule = build(config["rules"]["repetition"])
    code = "\n".join(f"if n == {number}:\n    print('the number is {number}')" for number in range(30))
    prose = " ".join(["the number is one and so it is"] * 30) + "."
    talks = [talk(code), talk(f"```\n{prose}\n```"), talk(prose), talk(f"{code}\n\n{prose}")]
    assert set(rule(talks)) == {2, 3}


def test_a_filter_of_documents_judges_only_its_part_and_no_short_text(tmp_path):
    (tmp_path / "words.txt").write_text("grumpf\n")
    listed = WordList(path=str(tmp_path / "words.txt"))
    talks = talk("Paris.", question="grumpf?"), talk("grumpf."), talk("Paris.")
    assert set(TextRule(listed)(talks)) == {0, 1}
    assert set(TextRule(listed, part="answers")(talks)) == {1}
    assert set(TextRule(listed, part="questions")(talks)) == {0}
    again = talk("so it goes on and on, " * 40), talk("Paris."), talk("on and on and on")
    rule = TextRule(GopherRepetition(), part="answers", min_words=50)
    assert set(rule(again)) == {0}
    assert set(rule(again[::-1])) == {2}
    assert {1, 2} <= set(TextRule(GopherRepetition(), part="answers")(again))


@pytest.mark.parametrize("option", options("rule", [config_directory()]))
def test_every_option_of_rule_passes_a_good_answer(option, tmp_path):
    pytest.importorskip("rensa")
    (tmp_path / "words.txt").write_text("grumpf\n")
    byte_tokenizer([]).save(tmp_path / "tokenizer.json")
    write_architecture(tmp_path, {"_target_": "lm.model.Transformer", "vocab_size": 300, "context": 512})
    features = TextFeatures([3])
    classifier = train_classifier([features(GOOD)], [features("grumpf")], size=features.size, epochs=5)
    save_classifier(tmp_path / FILE, classifier, features, {"name": "grumpf", "quality": {}})
    paths = {
        "word_list": f"rules.x.filter.path={tmp_path / 'words.txt'}",
        "fits": f"rules.x.path={tmp_path}",
        "toxicity": f"rules.x.filter.scorer.path={tmp_path}",
    }
    chosen = [f"+rule@rules.x={option}", "conversations.path=x", *([paths[option]] if option in paths else [])]
    config, faults = examine(composition("curate").compose(chosen))
    assert not faults
    assert build(config["rules"]["x"])([talk(GOOD)]) == {}
