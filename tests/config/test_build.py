"""What is built from a config."""

from functools import partial

from lm.config.build import build
from lm.optimizer import cosine


def test_a_factory_of_ours_is_a_plain_partial_which_is_called_without_checks_at_every_step():
    built = build({"_target_": "lm.optimizer.cosine", "_partial_": True, "minimum": 0.5})
    assert type(built) is partial
    assert built.func is cosine
    assert built(3, 10) == cosine(3, 10, minimum=0.5)


def test_a_factory_of_another_package_stays_as_hydra_makes_it():
    built = build({"_target_": "torch.optim.SGD", "_partial_": True, "lr": 0.5})
    assert isinstance(built, partial)
    assert type(built) is not partial
