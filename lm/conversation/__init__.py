"""Who said what, as tokens, and which of those tokens a model is to learn to say.

Supervised are the words of the assistant and the end of its turn, nothing else. Whatever template made the
tokens, a `MaskValidator` holds them against the conversation.
"""

from lm.conversation.chat_template import ChatTemplate
from lm.conversation.conversation import ROLES, Conversation, Message, check_turn
from lm.conversation.mask_validator import MaskValidator
from lm.conversation.recorded import Recorded, record_template, was_taught
from lm.conversation.role_tokens import RoleTokens
from lm.conversation.template import Encoded, Template
from lm.conversation.turns import Turns

__all__ = [
    "ROLES",
    "ChatTemplate",
    "Conversation",
    "Encoded",
    "MaskValidator",
    "Message",
    "Recorded",
    "RoleTokens",
    "Template",
    "Turns",
    "check_turn",
    "record_template",
    "was_taught",
]
