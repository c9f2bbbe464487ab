"""Models are trained with each vocabulary on equal text and equal arithmetic, and what they learned is told with its
interval."""

import json

import pytest

from lm.cli.call import call_job
from lm.report import learning_table, vocabulary_verdict
from lm.training.learning import interval
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


def test_all_see_as_much_text_or_spend_as_much_as_the_cheapest_does_on_it(results):
    cheapest = min(results, key=lambda found: found["flops_per_byte"])
    spent = cheapest["learned"]["flops"]["bytes"] * cheapest["flops_per_byte"]
    for found in results:
        step = 128 * found["bytes_per_token"]
        assert found["learned"]["bytes"]["bytes"] == pytest.approx(4000, abs=step / 2)
        arithmetic = found["learned"]["flops"]["bytes"] * found["flops_per_byte"]
        assert arithmetic == pytest.approx(spent, abs=step * found["flops_per_byte"])
        assert found["learned"]["flops"]["bytes"] <= found["learned"]["bytes"]["bytes"]
    assert cheapest["learned"]["flops"] == cheapest["learned"]["bytes"]


def test_each_seed_is_a_run_of_its_own_on_shards_of_that_tokenizer(results, config):
    for found in results:
        for learned in found["learned"].values():
            for seed, bits in enumerate(learned["values"]):
                run = config[1] / "pretrain" / found["name"] / f"{learned['steps']}-steps-seed-{seed}"
                manifest = json.loads((run / "manifest.json").read_text())
                assert manifest["result"]["validation/bits_per_byte"] == bits
                assert manifest["config"]["seed"] == seed
                assert manifest["config"]["data"]["path"] == str(config[1] / "corpus" / found["name"])
            assert len(set(learned["values"])) == 2


def test_what_was_ended_goes_on_and_trains_nothing_twice(results, config, capsys):
    manifest = config[1] / "manifest.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(content | {"state": "started"}))
    assert call_job(config[0]) == results
    told = capsys.readouterr().out
    assert told.count("nothing to do") == 3 + 2 * len(
        {(f["name"], e["steps"]) for f in results for e in f["learned"].values()}
    )


def test_it_is_told_in_a_table_and_in_words(results):
    table, verdict = learning_table(results), vocabulary_verdict(results)
    for found in results:
        assert f"{found['learned']['bytes']['mean']:.3f} ± {found['learned']['bytes']['half_width']:.3f}" in table
    best = min(results, key=lambda found: found["learned"]["bytes"]["mean"])
    assert f"Learns most from the same text: {best['name']}, " in verdict
    assert "Learns most from the same arithmetic: " in verdict


def test_the_page_shows_it(results, config):
    page = (config[1] / "report.html").read_text()
    assert "bits per byte after equal text" in page
    assert learning_table(results).splitlines()[-1] in page


def test_an_interval_is_students():
    found = interval([1.0, 2.0, 4.0])  # mean 7/3, sd 1.5275, 4.303 × sd / √3
    assert (found["mean"], found["half_width"]) == (pytest.approx(7 / 3), pytest.approx(3.795, abs=1e-3))
    assert interval([1.5])["half_width"] is None
