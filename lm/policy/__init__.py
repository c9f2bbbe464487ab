"""Reinforcement learning from rewards: rollouts, advantages, ratios, clipping, aggregation and KL as parts."""

from lm.policy.advantage import Generalized, GroupRelative, LeaveOneOut, Whitened
from lm.policy.aggregation import constant, sequence_mean, token_mean
from lm.policy.clipping import cispo, clip, unclipped
from lm.policy.kl import Penalty, k1, k2, k3, ratio_k3
from lm.policy.policy import Policy
from lm.policy.ratios import sequence_mean_ratio, sequence_sum_ratio, token_ratio

__all__ = [
    "Generalized",
    "GroupRelative",
    "LeaveOneOut",
    "Penalty",
    "Policy",
    "Whitened",
    "cispo",
    "clip",
    "constant",
    "k1",
    "k2",
    "k3",
    "ratio_k3",
    "sequence_mean",
    "sequence_mean_ratio",
    "sequence_sum_ratio",
    "token_mean",
    "token_ratio",
    "unclipped",
]
