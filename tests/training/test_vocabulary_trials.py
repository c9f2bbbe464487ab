"""Models are trained with each vocabulary on equal text and equal FLOPs; results are reported with intervals."""

import json

import pytest

from lm.cli.call import call_job
from lm.report import learning_table, vocabulary_verdict
from support.training_runs import composed, documents


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    root = tmp_path_factory.mktemp("learning")
    (root / "a.txt").write_text("\n\n\n".join(document.text for document in documents()))
    corpus = ["corpus=text", f"corpus.path={root}/a.txt", "corpus.separator='\\n\\n\\n'", "split.share=0.2"]
    model = ["model=nano", "model.context=32", "batch_tokens=128", "sizes=[280,300]", "+tokenizer@families.bytes=bytes"]
    stage = ["pretrain.compute.threads=1"]
    train = ["train=true", "seeds=2", "megabytes=0.004", *stage]
    return composed("vocabulary", f"run.root={root}", *corpus, *model, *train), root / "vocabulary" / "default"


@pytest.fixture(scope="module")
def results(config):
    return call_job(config[0])


def test_models_see_equal_text_or_spend_the_flops_of_the_cheapest(results):
    cheapest = min(results, key=lambda result: result["flops_per_byte"])
    spent = cheapest["learned"]["flops"]["bytes"] * cheapest["flops_per_byte"]
    for result in results:
        step = 128 * result["bytes_per_token"]
        assert result["learned"]["bytes"]["bytes"] == pytest.approx(4000, abs=step / 2)
        arithmetic = result["learned"]["flops"]["bytes"] * result["flops_per_byte"]
        assert arithmetic == pytest.approx(spent, abs=step * result["flops_per_byte"])
        assert result["learned"]["flops"]["bytes"] <= result["learned"]["bytes"]["bytes"]
    assert cheapest["learned"]["flops"] == cheapest["learned"]["bytes"]


def test_each_seed_is_a_run_of_its_own_on_shards_of_that_tokenizer(results, config):
    for result in results:
        for learned in result["learned"].values():
            for seed, bits in enumerate(learned["values"]):
                run = config[1] / "pretrain" / result["name"] / f"{learned['steps']}-steps-seed-{seed}"
                manifest = json.loads((run / "manifest.json").read_text())
                assert manifest["result"]["validation/bits_per_byte"] == bits
                assert manifest["config"]["seed"] == seed
                assert manifest["config"]["data"]["path"] == str(config[1] / "corpus" / result["name"])
            assert len(set(learned["values"])) == 2


def test_an_interrupted_comparison_resumes_and_trains_nothing_twice(results, config, capsys):
    manifest = config[1] / "manifest.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(content | {"state": "started"}))
    assert call_job(config[0]) == results
    assert capsys.readouterr().out.count("nothing to do") == 3 + 2 * len(
        {(f["name"], e["steps"]) for f in results for e in f["learned"].values()}
    )


def test_results_are_in_the_table_and_in_the_summary(results):
    table, verdict = learning_table(results), vocabulary_verdict(results)
    for result in results:
        assert f"{result['learned']['bytes']['mean']:.3f} ± {result['learned']['bytes']['half_width']:.3f}" in table
    best = min(results, key=lambda result: result["learned"]["bytes"]["mean"])
    assert f"Learns most from the same text: {best['name']}, " in verdict
    assert "Learns most from the same FLOPs: " in verdict


def test_results_are_on_the_page(results, config):
    page = (config[1] / "report.html").read_text()
    assert "bits per byte after equal text" in page
    assert learning_table(results).splitlines()[-1] in page
