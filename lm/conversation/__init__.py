"""Who said what, as tokens, and which of those tokens a model is to learn to say.

Supervised are the words of the assistant and the end of its turn, nothing else. Whatever template made the
tokens, a `Certificate` holds them against the conversation.
"""

from lm.conversation.certificate import Certificate
from lm.conversation.chat_template import ChatTemplate
from lm.conversation.conversation import ROLES, Conversation, Message, check_turn
from lm.conversation.recorded import Recorded, record_template, was_taught
from lm.conversation.role_tokens import RoleTokens
from lm.conversation.template import Encoded, Template
from lm.conversation.turns import Turns

__all__ = [
    "ROLES",
    "Certificate",
    "ChatTemplate",
    "Conversation",
    "Encoded",
    "Message",
    "Recorded",
    "RoleTokens",
    "Template",
    "Turns",
    "check_turn",
    "record_template",
    "was_taught",
]
