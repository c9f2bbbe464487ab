"""Conversations and chat templates: turns become tokens and a mask of the supervised ones.

Only the assistant's words and the ends of its turns are supervised; `MaskValidator` checks the output of every
template against the conversation. The readers of instruction data are in `lm.conversation.sources`.
"""

from lm.conversation.chat_template import ChatTemplate
from lm.conversation.conversation import ROLES, Conversation, Message, check_turn, reason_of
from lm.conversation.documents import ConversationDocuments
from lm.conversation.export import jinja_of, published_files
from lm.conversation.mask_validator import MaskValidator
from lm.conversation.prompt import Prompt, check_prompt
from lm.conversation.recorded_template import (
    RecordedTemplate,
    check_template_loadable,
    has_recorded_template,
    inherit_template,
    record_template,
)
from lm.conversation.role_token_template import RoleTokenTemplate
from lm.conversation.template import EncodedConversation, Template
from lm.conversation.tools import with_tools_as_text
from lm.conversation.turn_template import TurnTemplate

__all__ = [
    "ROLES",
    "ChatTemplate",
    "Conversation",
    "ConversationDocuments",
    "EncodedConversation",
    "MaskValidator",
    "Message",
    "Prompt",
    "RecordedTemplate",
    "RoleTokenTemplate",
    "Template",
    "TurnTemplate",
    "check_prompt",
    "check_template_loadable",
    "check_turn",
    "has_recorded_template",
    "inherit_template",
    "jinja_of",
    "published_files",
    "reason_of",
    "record_template",
    "with_tools_as_text",
]
