"""A price, or a premium, on the length of answers."""

import pytest

from lm.reward import Answer, Length


def score(tokens, **options):
    return Length(**options).score(Answer(text="", tokens=tokens))


def test_tokens_beyond_the_target_have_a_price_up_to_the_cap():
    options = {"per_token": -0.1, "target": 10, "cap": 0.5}
    assert [score(tokens, **options) for tokens in (0, 10, 12, 15, 1000)] == pytest.approx([0, 0, -0.2, -0.5, -0.5])


def test_a_target_on_both_sides_is_the_best_length():
    values = [score(tokens, per_token=-0.1, target=3, both_sides=True) for tokens in range(7)]
    assert max(values) == values[3] == 0
    assert values == pytest.approx(values[::-1])


def test_a_premium_without_a_cap_grows_with_every_token():
    assert score(5000, per_token=0.01, cap=None) == pytest.approx(50)


def test_the_overlong_penalty_of_dapo_is_one_case():
    limit, buffer = 20, 4
    options = {"target": limit - buffer, "per_token": -1 / buffer, "cap": 1}
    assert [score(tokens, **options) for tokens in (16, 18, 20)] == pytest.approx([0, -0.5, -1])


def test_no_price_at_all_is_refused():
    with pytest.raises(ValueError, match=r"reward\.per_token=0 gives no reward: try -0\.001"):
        Length(per_token=0)
