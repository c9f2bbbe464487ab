"""Scores of answers, for reinforcement learning and evaluation: parts that compose with weights."""

from lm.reward.exact import ExactAnswer
from lm.reward.reward import Answer, AnswerReward, Reward, RewardSum, Scores

__all__ = ["Answer", "AnswerReward", "ExactAnswer", "Reward", "RewardSum", "Scores"]
