"""Prompts, examples and answers are put together as text, or as turns of a chat template."""

from lm.conversation import Message, RoleTokenTemplate
from lm.evaluation.prompter import Layout, Prompter
from support.asked import tokenizer

EXAMPLES = [("the cat", "yes"), ("the dog", "no")]


def text(ids) -> str:
    return tokenizer().decode(ids)


def test_examples_stand_before_the_prompt_with_their_answers():
    layout = Layout(description="the mat. ", answer_separator=" -> ", example_separator=" | ")
    prompter = Prompter(tokenizer(), layout=layout)
    assert text(prompter.prompt("the house", EXAMPLES)) == "the mat. the cat -> yes | the dog -> no | the house"
    (request,) = prompter.joined("the house", ["yes"], EXAMPLES).requests
    assert text([*request.context, *request.continuation]).endswith("| the house -> yes")


def test_usual_separators_are_a_blank_and_an_empty_line():
    prompter = Prompter(tokenizer(), layout=Layout())
    assert text(prompter.prompt("x", EXAMPLES)) == "the cat yes\n\nthe dog no\n\nx"


def test_an_answer_alone_follows_the_end_of_a_document():
    (request,) = Prompter(tokenizer(), layout=Layout()).alone(["yes"]).requests
    assert request.context == (tokenizer().end_of_document,)
    assert text(request.continuation) == " yes"


def test_a_document_begins_where_asked():
    end = tokenizer().end_of_document
    assert Prompter(tokenizer(), layout=Layout(begin=True)).prompt("x")[0] == end
    assert Prompter(tokenizer(), layout=Layout()).prompt("x")[0] != end


def test_a_chat_template_has_examples_as_turns_and_no_separator():
    template = RoleTokenTemplate()
    prompter = Prompter(tokenizer(), layout=Layout(description="Be brief."), template=template)
    turns = [Message("system", "Be brief.")]
    for asked, answer in EXAMPLES:
        turns += [Message("user", asked), Message("assistant", answer)]
    expected = template.prompt([*turns, Message("user", "the house")], tokenizer())
    assert prompter.prompt("the house", EXAMPLES) == expected
    (request,) = prompter.joined("the house", ["yes"], EXAMPLES).requests
    assert request.context == tuple(expected)
    assert text(request.continuation) == "yes"
