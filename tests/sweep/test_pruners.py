"""Each option is one of Optuna's pruners, with what was set."""

import pytest

from lm.config.build import build
from lm.sweep.optuna import hyperband, median, patient, percentile, successive_halving

optuna = pytest.importorskip("optuna", reason="optuna is not installed: pip install 'lightning-lm[sweep]'")

COMPLETE = [[4.0, 3.0, 2.0, 1.0], [5.0, 4.0, 3.0, 2.0], [6.0, 5.0, 4.0, 3.0], [7.0, 6.0, 5.0, 4.0]]


def ends_at(pruner, values: list[float], complete: list[list[float]] = COMPLETE) -> int | None:
    """The validation at which a trial with these values ends, after others that were complete."""
    study = optuna.create_study(pruner=pruner)
    for each in complete:
        intermediate = dict(enumerate(each, 1))
        study.add_trial(optuna.create_trial(value=each[-1], intermediate_values=intermediate))
    trial = study.ask()
    for validation, value in enumerate(values, 1):
        trial.report(value, validation)
        if trial.should_prune():
            return validation
    return None


@pytest.mark.parametrize(
    ("pruner", "values", "end"),
    [
        (median(startup=4), [5.6, 4.6, 3.6, 2.6], 1),
        (median(startup=4), [5.4, 4.4, 3.4, 2.4], None),
        (median(startup=5), [9.0, 9.0, 9.0, 9.0], None),
        (median(startup=4, warmup=3), [9.0, 9.0, 9.0, 9.0], 3),
        (percentile(percentile=25.0, startup=4), [5.0, 4.0, 3.0, 2.0], 1),
        (percentile(percentile=75.0, startup=4), [6.2, 5.2, 4.2, 3.2], None),
        (percentile(percentile=75.0, startup=5), [9.0, 9.0, 9.0, 9.0], None),
        (percentile(percentile=75.0, startup=4, warmup=2), [9.0, 9.0, 9.0, 9.0], 2),
        (patient(patience=1), [3.0, 4.0, 5.0, 6.0], 3),
        (patient(patience=2), [3.0, 4.0, 5.0, 6.0], 4),
        (patient(patience=0), [3.0, 2.0, 1.0, 1.5], 4),
        (patient(patience=0, margin=0.6), [3.0, 2.0, 1.0, 1.5], None),
        (patient(patience=0, pruner=lambda: median(startup=4)), [1.0, 2.0, 3.0, 4.0], None),
        (patient(patience=0, pruner=lambda: median(startup=4)), [7.0, 8.0, 8.0, 8.0], 2),
    ],
)
def test_a_trial_ends_where_the_pruner_decides(pruner, values: list[float], end: int | None) -> None:
    assert ends_at(pruner, values) == end


@pytest.mark.parametrize(("first", "end"), [(1, 1), (2, 2), (3, 3)])
def test_halving_starts_at_its_first_validation(first: int, end: int) -> None:
    study = optuna.create_study(pruner=successive_halving(first=first, factor=2))
    ends = []
    for value in (1.0, 2.0):
        trial = study.ask()
        for validation in range(1, 5):
            trial.report(value, validation)
            if trial.should_prune():
                ends.append(validation)
                break
        study.tell(trial, value)
    assert ends == [end]


@pytest.mark.parametrize(("factor", "groups"), [(2, 3), (5, 2)])
def test_hyperband_makes_groups_by_the_validations_there_are(factor: int, groups: int) -> None:
    pruner = hyperband(factor=factor)
    ends_at(pruner, [1.0])
    assert len(pruner._pruners) == groups  # 4 validations: factor 2 begins at 1, 2 or 4 of them, factor 5 at 1 or 5


def test_a_patient_pruner_is_made_of_another_by_its_config() -> None:
    inner = {"_target_": "lm.sweep.optuna.median", "_partial_": True, "startup": 4}
    made = build({"_target_": "lm.sweep.optuna.patient", "_partial_": True, "pruner": inner, "patience": 0})
    assert ends_at(made(), [7.0, 8.0, 8.0, 8.0]) == 2
