"""Sources of conversations: one reader for each common layout of instruction data, and one of judged answers."""

from lm.conversation.sources.bit_parity import Parity
from lm.conversation.sources.detected_layout import DetectedLayout
from lm.conversation.sources.detected_preferences import DetectedPreferences
from lm.conversation.sources.letters import Letters
from lm.conversation.sources.message_lists import AlternatingTexts, MessageLists
from lm.conversation.sources.message_trees import MessageTrees
from lm.conversation.sources.parity_pairs import ParityPairs
from lm.conversation.sources.preference_source import PreferenceSource
from lm.conversation.sources.python_conversations import PythonConversations
from lm.conversation.sources.question_answers import QuestionAnswers
from lm.conversation.sources.records import HubDataset
from lm.conversation.sources.source import ConversationSource
from lm.conversation.sources.sums import Sums
from lm.conversation.sources.swapped_answers import SwappedAnswers
from lm.conversation.sources.transcripts import Transcripts

__all__ = [
    "AlternatingTexts",
    "ConversationSource",
    "DetectedLayout",
    "DetectedPreferences",
    "HubDataset",
    "Letters",
    "MessageLists",
    "MessageTrees",
    "Parity",
    "ParityPairs",
    "PreferenceSource",
    "PythonConversations",
    "QuestionAnswers",
    "Sums",
    "SwappedAnswers",
    "Transcripts",
]
