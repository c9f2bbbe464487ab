"""Conversations as documents have every turn once, and are held out where the conversations are."""

from dataclasses import replace

from lm.conversation import Conversation, ConversationDocuments, Message
from lm.conversation.sources import ConversationSource
from lm.corpus import Split

TALKS = [
    Conversation(
        (Message("user", f"What is {number}?"), Message("assistant", f"{number}.\nThat is all.")), place=f"{number}"
    )
    for number in range(40)
]


class Given(ConversationSource):
    """Conversations given in a list."""

    notes = ("one was left out",)

    def __init__(self, talks):
        self.talks = talks

    def __iter__(self):
        return iter(self.talks)

    def fingerprint(self):
        return str([talk.messages for talk in self.talks])


def test_a_document_has_a_line_per_turn():
    system = Conversation((Message("system", "Be brief."), *TALKS[3].messages), group="g")
    found = [*ConversationDocuments(Given([system]))]
    assert found[0].text == "System: Be brief.\nUser: What is 3?\nAssistant: 3.\nThat is all.\n"
    assert (found[0].kind, found[0].group) == ("dialogue", "g")
    assert next(iter(ConversationDocuments(Given([system]), kind="talk"))).kind == "talk"


def test_the_same_conversations_are_held_out():
    split, documents = Split(0.3), ConversationDocuments(Given(TALKS))
    held_out = [talk.place for talk in TALKS if split.held_out(talk)]
    assert [each.id.partition(" ")[0] for each in documents if split.held_out(each)] == held_out
    assert 0 < len(held_out) < 40


def test_what_cannot_be_read_is_left_out_and_notes_are_kept():
    faulty = Conversation((), fault=" has no turns")
    documents = ConversationDocuments(Given([faulty, TALKS[0]]))
    assert len([*documents]) == 1
    assert documents.notes == ("one was left out",)
    other = ConversationDocuments(Given([faulty, TALKS[0]]), kind="talk").fingerprint()
    assert len({documents.fingerprint(), other, ConversationDocuments(Given(TALKS)).fingerprint()}) == 3


def test_the_tools_of_a_conversation_stand_in_its_system_turn():
    tool = {"type": "function", "function": {"name": "add", "description": "adds"}}
    line = 'Tools:\n{"name": "add", "description": "adds"}\n'
    for talk in (TALKS[3], Conversation((Message("system", "Be brief."), *TALKS[3].messages))):
        (found,) = ConversationDocuments(Given([replace(talk, tools=(tool,))]))
        system = "Be brief.\n\n" if talk.messages[0].role == "system" else ""
        assert found.text == f"System: {system}{line}User: What is 3?\nAssistant: 3.\nThat is all.\n"
