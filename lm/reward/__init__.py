"""Scores of answers, for reinforcement learning and evaluation: parts that compose with weights."""

from lm.reward.exact import ExactAnswer
from lm.reward.function import FunctionReward
from lm.reward.learned import LearnedReward
from lm.reward.length import Length
from lm.reward.numeric import NumericAnswer
from lm.reward.overlap import WordOverlap
from lm.reward.pattern import Pattern
from lm.reward.reward import Answer, AnswerReward, Reward, RewardSum, Scores
from lm.reward.scored_text import ScoredText
from lm.reward.tags import AfterThoughts, TagFormat, Tagged
from lm.reward.unit_tests import UnitTests

__all__ = [
    "AfterThoughts",
    "Answer",
    "AnswerReward",
    "ExactAnswer",
    "FunctionReward",
    "LearnedReward",
    "Length",
    "NumericAnswer",
    "Pattern",
    "Reward",
    "RewardSum",
    "ScoredText",
    "Scores",
    "TagFormat",
    "Tagged",
    "UnitTests",
    "WordOverlap",
]
