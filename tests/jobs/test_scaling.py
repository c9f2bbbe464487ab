"""Each rung of the ladder is a run of its own; the law is reported with its prediction of the largest rung."""

import json
from pathlib import Path

import pytest

from lm.cli.call import call_job
from lm.config.ladder import rung
from lm.jobs.scaling import changes_for_depth, fit_laws
from support.training_runs import composed, make_corpus

DEPTHS = [1, 2, 3]


def study(root: Path, *overrides: str) -> dict:
    """Config of three rungs that differ in depth, not in width, so that each takes a second."""
    shape = ["pretrain.model.context=32", "pretrain.model.dim=16", "pretrain.budget.tokens_per_parameter=0.05"]
    how = ["pretrain.compute.threads=1", f"pretrain.data.path={root}/corpus", f"run.root={root}"]
    return composed("scaling", "depths=[3,1,2]", *shape, *how, *overrides)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("scaling")
    make_corpus(root / "corpus")
    return root


@pytest.fixture(scope="module")
def ladder(root):
    return call_job(study(root, "seeds=2"))


def runs(root: Path, depth: int) -> list[dict]:
    below = root / "scaling" / "default" / "pretrain" / f"depth-{depth}"
    return [json.loads((below / f"seed-{seed}" / "manifest.json").read_text()) for seed in (0, 1)]


def test_each_rung_is_trained_from_each_seed_with_the_numbers_of_its_depth(ladder, root):
    assert [each["depth"] for each in ladder["rungs"]] == DEPTHS
    for depth in DEPTHS:
        expected = rung(depth, context=32, tokens_per_parameter=0.05, given={"model.dim": 16})
        for seed, manifest in enumerate(runs(root, depth)):
            config = manifest["config"]
            assert config["seed"] == seed
            assert config["model"]["depth"] == depth
            assert config["model"]["dim"] == 16
            assert config["optimizer"]["learning_rate"] == expected["optimizer.learning_rate"]
            assert config["optimizer"]["weight_decay"] == expected["optimizer.weight_decay"]
            assert config["budget"]["batch_tokens"] == expected["budget.batch_tokens"]


def changed(*overrides: str) -> dict:
    return changes_for_depth(composed("scaling", *overrides)["pretrain"], 8)


def test_keys_that_were_set_stay_at_every_depth_and_the_rest_follows_the_rules():
    assert changed() == rung(8, context=256)
    rate = changed("pretrain.optimizer.learning_rate=1e-3")
    expected = rung(8, context=256, given={"optimizer.learning_rate": 1e-3})
    assert rate == {key: value for key, value in expected.items() if key != "optimizer.learning_rate"}
    chosen = changed("optimizer@pretrain.optimizer=adamw", "budget@pretrain.budget=steps")
    assert [*chosen] == ["model.depth", "model.dim", "model.attention.heads"]
    without = composed("scaling")["pretrain"] | {"optimizer": {"_target_": "some.optimizer", "rate": 1.0}}
    assert "optimizer.weight_decay" not in changes_for_depth(without, 8)


def test_a_model_without_a_depth_is_refused(root):
    with pytest.raises(ValueError, match=r"choose model@pretrain\.model=rung"):
        call_job(composed("scaling", "model@pretrain.model=tiny", f"run.root={root}/none"))
    assert not (root / "none").exists()


def test_the_results_of_a_rung_are_those_of_its_runs(ladder, root):
    for result in ladder["rungs"]:
        results = [manifest["result"] for manifest in runs(root, result["depth"])]
        assert result["values"] == [one["validation/bits_per_byte"] for one in results]
        assert len({*result["values"]}) == 2
        assert result["bits_per_byte"] == pytest.approx(sum(result["values"]) / 2)
        assert (result["parameters"], result["tokens"]) == (results[0]["parameters"], results[0]["tokens"])
        # 6 per multiplied weight, which excludes norms, and attention over the context
        weights = result["parameters"] - 16 * (2 * result["depth"] + 1)
        assert result["flops"] == result["tokens"] * (6 * weights + 6 * result["depth"] * 16 * 32)


def test_deeper_rungs_are_predicted_as_they_would_be_trained(ladder, root):
    law, last = ladder["line"], ladder["rungs"][-1]
    assert [each["depth"] for each in ladder["ahead"]] == [5, 6]
    for each in ladder["ahead"]:
        layers = (each["parameters"] - last["parameters"]) / (each["depth"] - 3)
        assert layers == last["parameters"] - ladder["rungs"][-2]["parameters"], "of the same width"
        assert each["tokens"] / each["parameters"] == pytest.approx(last["tokens"] / last["parameters"])
        assert each["flops"] > last["flops"]
        assert each["bits_per_byte"] == pytest.approx(law["factor"] * each["flops"] ** -law["exponent"])


def test_a_corpus_that_holds_nothing_out_is_refused(root):
    make_corpus(root / "all", share=0.0)
    with pytest.raises(ValueError, match="has no bits per byte of held-out text"):
        call_job(study(root, "run.name=all", f"pretrain.data.path={root}/all"))


def test_results_are_saved_as_json_and_as_a_page(ladder, root):
    directory = root / "scaling" / "default"
    assert json.loads((directory / "results.json").read_text()) == ladder
    page = (directory / "report.html").read_text()
    assert "training FLOPs" in page
    assert f"{ladder['rungs'][0]['bits_per_byte']:.3f}" in page


def test_an_interrupted_study_resumes_and_trains_nothing_twice(ladder, root, capsys):
    manifest = root / "scaling" / "default" / "manifest.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(content | {"state": "started"}))
    again = call_job(study(root, "seeds=2"))
    assert again == ladder
    assert capsys.readouterr().out.count("pretrain    nothing to do") == 6
    call_job(study(root, "seeds=2"))
    output = capsys.readouterr().out
    assert "scaling     nothing to do" in output
    assert "pretrain " not in output


def test_two_depths_are_refused(root):
    with pytest.raises(ValueError, match=r"depths=\[2, 4, 2\]: a power law needs at least 3 different depths"):
        call_job(composed("scaling", "depths=[2,4,2]", f"pretrain.data.path={root}/corpus", f"run.root={root}/none"))
    assert not (root / "none").exists()


def test_the_largest_rung_is_predicted_from_the_others_only():
    rungs = [{"depth": n, "flops": 10.0**n, "bits_per_byte": 4 * 10 ** (-0.1 * n)} for n in range(1, 5)]
    spoiled = [*rungs[:-1], rungs[-1] | {"bits_per_byte": 3.0}]
    for each in (rungs, spoiled):
        held_out = fit_laws(each)["held_out"]
        assert held_out["predicted"] == pytest.approx(4 * 10**-0.4)
        assert (held_out["depth"], held_out["measured"]) == (4, each[-1]["bits_per_byte"])
    assert fit_laws(rungs)["line"]["exponent"] == pytest.approx(0.1)
    assert fit_laws(spoiled)["line"]["exponent"] < 0.09
