"""What differs from the defaults of a job."""

from hydra.core.global_hydra import GlobalHydra

from lm.config.defaults import differences
from support.training_runs import composed


def test_a_config_as_it_is_differs_in_nothing():
    assert differences("pretrain", composed("pretrain", "run.name=other")) == {}


def test_changed_keys_are_named_with_default_and_value():
    assert differences("pretrain", composed("pretrain", "seed=7", "model.dim=256")) == {
        "model.dim": ("192", "256"), "seed": ("0", "7"),
    }  # fmt: skip


def test_a_value_that_must_be_given_has_no_default():
    assert differences("generate", composed("generate", "model.path=a"))["model.path"] == ('"???"', '"a"')


def test_a_job_of_the_users_own_has_unknown_defaults():
    assert differences("mine", {}) is None


def test_hydra_is_as_it_was():
    before = GlobalHydra.instance().hydra
    differences("evaluate", {"a": 1})
    assert GlobalHydra.instance().hydra is before
