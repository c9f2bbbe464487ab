"""Measure a trained model: bits per byte, answers, preferences, and benchmarks.

An `Evaluation` turns a model into plain results and those into a table; `lm evaluate` runs any number of them. A
benchmark is a `Task`: items from a file, a `Question` about each, and metrics with intervals and baselines.
"""

from lm.evaluation.answers import Answers
from lm.evaluation.bias import BbqBias, Overall, StereoSetReader, StereoSetScores
from lm.evaluation.bits import BitsPerByte
from lm.evaluation.choice import Cloze, MultipleChoice, SeveralContexts
from lm.evaluation.continuations import Continuations, MoreWords
from lm.evaluation.continued import AnyAbove, HumanGap, HumanScore, MaximumScore, MeanScore
from lm.evaluation.copying import CopyScore
from lm.evaluation.evaluation import Evaluation
from lm.evaluation.generated_items import Brackets, GeneratedItems, SumItems
from lm.evaluation.harness.evaluation import Harness
from lm.evaluation.items import Item, ItemReader
from lm.evaluation.memory.exposure import CanaryExposure
from lm.evaluation.memory.leakage import Leakage
from lm.evaluation.memory.memorisation import Memorisation
from lm.evaluation.memory.training_corpora import TrainingCorpora
from lm.evaluation.metrics import Accuracy, Choices, GoldBits, GoldProbability, Greedy, Metric, Perplexity, Preference
from lm.evaluation.preferences import Preferences
from lm.evaluation.program import PassAt, Program
from lm.evaluation.prompter import Layout
from lm.evaluation.prompts import PromptReader
from lm.evaluation.question import Answered, Asked, Asking, Question
from lm.evaluation.reply import Replied, Reply
from lm.evaluation.reply_metrics import F1, ExactMatch, Rewarded, WordMatch
from lm.evaluation.rewarded import RewardedAnswers
from lm.evaluation.scorer import Likelihood, Request, Scorer
from lm.evaluation.shots import Shots
from lm.evaluation.task import Task
from lm.evaluation.text_loss import TextLoss
from lm.evaluation.winobias import PronounGap, WinoBiasReader, WinoBiasScores

__all__ = [
    "F1",
    "Accuracy",
    "Answered",
    "Answers",
    "AnyAbove",
    "Asked",
    "Asking",
    "BbqBias",
    "BitsPerByte",
    "Brackets",
    "CanaryExposure",
    "Choices",
    "Cloze",
    "Continuations",
    "CopyScore",
    "Evaluation",
    "ExactMatch",
    "GeneratedItems",
    "GoldBits",
    "GoldProbability",
    "Greedy",
    "Harness",
    "HumanGap",
    "HumanScore",
    "Item",
    "ItemReader",
    "Layout",
    "Leakage",
    "Likelihood",
    "MaximumScore",
    "MeanScore",
    "Memorisation",
    "Metric",
    "MoreWords",
    "MultipleChoice",
    "Overall",
    "PassAt",
    "Perplexity",
    "Preference",
    "Preferences",
    "Program",
    "PromptReader",
    "PronounGap",
    "Question",
    "Replied",
    "Reply",
    "Request",
    "Rewarded",
    "RewardedAnswers",
    "Scorer",
    "SeveralContexts",
    "Shots",
    "StereoSetReader",
    "StereoSetScores",
    "SumItems",
    "Task",
    "TextLoss",
    "TrainingCorpora",
    "WinoBiasReader",
    "WinoBiasScores",
    "WordMatch",
]
