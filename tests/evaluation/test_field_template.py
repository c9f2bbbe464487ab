"""Templates name the fields of items; what an item lacks is told with its place."""

import pytest

from lm.evaluation.field_template import FieldTemplate, ListTemplate, unbracketed
from support.asked import item

KEY = "evaluation.question.prompt"
ITEM = item(question="Why?", choices=["a", "b"], nested={"text": ["x"]}, gold=1)


def test_a_template_has_the_fields_and_the_name_of_the_file():
    assert FieldTemplate("{{ question }}\n{{ file }}\n", key=KEY).text(ITEM) == "Why?\nitems\n"


def test_one_expression_gives_a_value_and_anything_else_text():
    assert FieldTemplate("{{ choices }}", key=KEY).value(ITEM) == ["a", "b"]
    assert FieldTemplate("{{ gold + 1 }}", key=KEY).value(ITEM) == 2
    assert FieldTemplate("{{ gold }}{{ gold }}", key=KEY).value(ITEM) == "11"


def test_a_list_is_one_expression_or_a_template_a_member():
    assert ListTemplate("{{ nested.text }}", key=KEY).texts(ITEM) == ["x"]
    assert ListTemplate(["{{ question }}", "{{ gold }}"], key=KEY).texts(ITEM) == ["Why?", "1"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ qestion }}", r"items\.jsonl:1 has no field 'qestion', which .*prompt reads: did you mean 'question'\?"),
        ("{{ zzz }} x", r"items\.jsonl:1 has no field 'zzz', .* it has 'question', 'choices', 'nested', 'gold'"),
        ("{{ nested.zzz }}", r"items\.jsonl:1 has no field 'zzz'"),
        ("{{ question + 1 }}", r"items\.jsonl:1: evaluation\.question\.prompt cannot be rendered"),
        ("{{ question.__class__.__mro__ }}", r"cannot be rendered: .*unsafe"),
    ],
)
def test_what_an_item_lacks_is_told_with_its_place(source, message):
    for read in (FieldTemplate(source, key=KEY).text, FieldTemplate(source, key=KEY).value):
        with pytest.raises(ValueError, match=message):
            read(ITEM)


def test_a_list_must_be_one_of_texts():
    with pytest.raises(ValueError, match="gives 'Why\\?', not a list"):
        ListTemplate("{{ question }}", key=KEY).texts(ITEM)
    with pytest.raises(ValueError, match=r"a list with .*no text"):
        ListTemplate("{{ [nested] }}", key=KEY).texts(ITEM)


def test_a_template_that_is_not_jinja_is_refused():
    with pytest.raises(ValueError, match=r"evaluation\.question\.prompt: '\{\{ question' is not a Jinja template"):
        FieldTemplate("{{ question", key=KEY)


def test_the_marks_of_hellaswag_are_removed_as_in_lm_evaluation_harness():
    assert unbracketed(" How to [title] Wash [step] it  twice. ") == "How to. Wash it twice."
