"""pass@k is unbiased."""

from itertools import combinations

import pytest

from lm.reward.passes import budgets, pass_at


def test_pass_at_k_is_the_share_of_draws_of_k_with_a_solution():
    for completions in (1, 4, 6):
        for solved in range(completions + 1):
            for k in range(1, completions + 1):
                draws = [*combinations([number < solved for number in range(completions)], k)]
                assert pass_at(k, completions=completions, solved=solved) == pytest.approx(
                    sum(map(any, draws)) / len(draws)
                )


def test_completions_are_reported_for_powers_of_two_and_their_number():
    assert [budgets(count) for count in (0, 1, 4, 6, 16)] == [[], [1], [1, 2, 4], [1, 2, 4, 6], [1, 2, 4, 8, 16]]
