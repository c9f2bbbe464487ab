"""The report of a scaling study states its numbers."""

from lm.jobs.scaling import fit_laws
from lm.report import scaling_sections, scaling_table, scaling_verdict


def study(bits: list[float], half_width: float | None = None) -> dict:
    rungs = [
        {
            "depth": n + 1,
            "parameters": 10 ** (n + 4),
            "tokens": 10 ** (n + 6),
            "flops": 10.0 ** (2 * n + 12),
            "loss": each * 2,
            "bits_per_byte": each,
            "half_width": half_width,
            "values": [each],
            "seconds": 3.4,
        }
        for n, each in enumerate(bits)
    ]
    higher = {"depth": 6, "parameters": 2.5e6, "tokens": 5e7, "flops": 7.5e14, "bits_per_byte": 1.234}
    return {"rungs": rungs, **fit_laws(rungs), "ahead": [higher]}


FALLING = [4 * 10 ** (-0.1 * n) for n in range(4)]


def test_the_table_has_one_line_per_rung():
    heads, first, *rest = scaling_table(study(FALLING, half_width=0.01)).splitlines()
    assert heads.split() == ["depth", "parameters", "tokens", "FLOPs", "nats/token", "bits/byte", "seconds"]
    assert first.split() == ["1", "10.0", "k", "1.00", "M", "1.00e+12", "8.000", "4.000", "±", "0.010", "3"]
    assert len(rest) == 3


def test_the_summary_states_the_law_its_interval_and_its_predictions():
    verdict = scaling_verdict(study(FALLING))
    assert "C^−0.050 (95 % interval of the exponent: 0.050 to 0.050)" in verdict
    assert "ten times C saves 10.9%" in verdict
    assert "4 rungs do not determine a floor" in verdict
    assert f"Depth 4 predicted from the others: {FALLING[-1]:.3f}; measured: {FALLING[-1]:.3f} (+0.0%)" in verdict
    assert "Depth 6 (2.50 M parameters, 50.0 M tokens, 7.50e+14 FLOPs) would reach about 1.234" in verdict
    assert "With one seed" in verdict


def test_a_floor_is_reported_if_the_rungs_determine_it():
    verdict = scaling_verdict(study([1.2 + 3 * 10 ** (-0.3 * n) for n in range(6)], half_width=0.01))
    assert "With a floor, fitted to 6 rungs: 1.20" in verdict
    assert "With one seed" not in verdict


def test_a_ladder_whose_loss_does_not_fall_is_reported():
    assert "do not fall" in scaling_verdict(study([2.0, 2.1, 2.2]))
    assert "do not fall" in scaling_verdict(study([2.0, 2.0, 2.0]))


def test_the_page_has_the_law_beside_what_was_measured_and_all_numbers():
    found = study(FALLING, half_width=0.02)
    sections, (drawn,) = scaling_sections(found, first=4)
    html = "".join(section.html for section in sections)
    assert 'data-chart="4"' in html
    assert "±" in html
    measured, law, *_, predicted = drawn["curves"]
    assert measured["values"] == [rung["bits_per_byte"] for rung in found["rungs"]]
    line = found["line"]
    assert law["values"][0] == line["floor"] + line["factor"] * law["steps"][0] ** -line["exponent"]
    assert law["steps"][-1] > measured["steps"][-1]
    assert predicted["values"] == [found["held_out"]["predicted"]]
    assert (drawn["log_x"], drawn["log_y"]) == (10, True)


def test_an_interval_is_written_from_its_lower_to_its_upper_end():
    uneven = study([4.0, 3.0, 2.8, 2.0])
    line = uneven["line"]
    assert line["low"] < line["exponent"] < line["high"]
    assert f"exponent: {line['low']:.3f} to {line['high']:.3f})" in scaling_verdict(uneven)
