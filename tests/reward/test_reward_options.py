"""Every option of the group `reward` fits its signature, and can be built."""

import re

import pytest

from lm.config.check import check
from lm.config.composition import Composition
from lm.config.outline import config_directory, options

CONF = config_directory()


@pytest.mark.parametrize("option", options("reward", [CONF]))
def test_every_reward_fits_its_signature_alone_and_in_a_sum(option):
    config = Composition("chat", directory=CONF).compose([f"+reward@parts.x={option}"])
    whole = {"_target_": "lm.reward.RewardSum", "parts": config.parts, "weights": {"x": 0.5}}
    faults = [str(fault) for fault in check(whole)]
    assert [each for each in faults if not re.fullmatch(r"parts\.x\.\S+: missing: set \S+=…", each)] == []
    assert config.parts.x._target_.startswith("lm.reward.")
