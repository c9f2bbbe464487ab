"""`lm evaluate` measures once, records the results, and prints them at every call."""

import json
import signal

import pytest

from lm.cli.call import call_job
from lm.config.short_form import full_forms
from lm.directory import Run
from lm.directory.manifest import read_manifest
from lm.evaluation import BitsPerByte, Task
from lm.evaluation.division import divided
from lm.interchange import load_model
from lm.tokenizer import load_tokenizer
from support.evaluation_ranks import measure
from support.ranks_here import as_ranks
from support.training_runs import composed, documents, make_corpus, pretraining, run


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def pretrained(corpus, tmp_path_factory):
    root = tmp_path_factory.mktemp("pretrained")
    assert run(pretraining(corpus, root, "run", "budget.steps=4")) == 0
    return root / "pretrain" / "run"


def evaluation(model, corpus, root, *overrides: str) -> dict:
    return composed(
        "evaluate", f"run.root={root}", f"model.path={model}", f"evaluations.bits.path={corpus}", *overrides
    )


def test_results_are_recorded_and_printed_and_not_measured_again(pretrained, corpus, tmp_path, capsys, monkeypatch):
    results = call_job(evaluation(pretrained, corpus, tmp_path))
    directory = tmp_path / "evaluate" / "default"
    first = capsys.readouterr().out
    monkeypatch.setattr(BitsPerByte, "__call__", lambda *_: pytest.fail("measured again"))
    assert call_job(evaluation(pretrained, corpus, tmp_path)) == results
    again = capsys.readouterr().out
    assert json.loads((directory / "results.json").read_text()) == results
    table = BitsPerByte(str(corpus)).table(results["bits"])
    assert table in first
    assert table in again
    assert first.splitlines()[-1].startswith("evaluate    bits in ")
    assert again.splitlines()[-1] == f"evaluate    nothing to do → {directory}"
    assert read_manifest(directory)["inputs"]["model"] == Run.fingerprint(pretrained)


def test_the_best_checkpoint_of_the_run_is_measured(pretrained, corpus, tmp_path, capsys):
    results = call_job(evaluation(pretrained, corpus, tmp_path))
    tokenizer = load_tokenizer(str(pretrained))
    model = load_model(str(pretrained), which="best")
    for kind, found in BitsPerByte(str(corpus))(model, tokenizer).items():
        assert results["bits"][kind] == pytest.approx(found, rel=1e-6)


def test_an_unfinished_run_is_refused(corpus, tmp_path):
    killer = "+callbacks.killer={_target_: support.killers.KillAfterBatch, batches: 20}"
    assert run(pretraining(corpus, tmp_path, "run", killer)) == -signal.SIGKILL
    with pytest.raises(ValueError, match=r"run .* is not finished: run the command that started it again to resume it"):
        call_job(evaluation(tmp_path / "pretrain" / "run", corpus, tmp_path))


def test_a_path_without_a_model_is_refused_with_the_remedy(corpus, tmp_path):
    with pytest.raises(
        ValueError, match=r"nowhere does not exist: .* the directory of a run .*, such as outputs/pretrain"
    ):
        call_job(evaluation(tmp_path / "nowhere", corpus, tmp_path))


def test_a_corpus_of_another_tokenizer_is_refused(pretrained, tmp_path):
    other = make_corpus(tmp_path / "other", count=60)
    with pytest.raises(ValueError, match="was made with another tokenizer"):
        call_job(evaluation(pretrained, other, tmp_path))


def rows(path, count: int, **more) -> str:
    lines = [{"query": f"alpha {n}", "choices": ["beta", "gamma"], "gold": n % 2} | more for n in range(count)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


def choices(model, root, file, *overrides: str) -> dict:
    chosen = ("evaluation@evaluations=choice", f"evaluations.choice.path={file}")
    return composed("evaluate", f"run.root={root}", f"model.path={model}", *chosen, *overrides)


def test_each_evaluation_has_a_record_with_hashes_items_and_table(pretrained, tmp_path, capsys):
    results = call_job(choices(pretrained, tmp_path, rows(tmp_path / "items.jsonl", 6)))
    folder = tmp_path / "evaluate" / "default" / "evaluations"
    record = json.loads((folder / "choice.json").read_text())
    assert record["results"] == results["choice"] == json.loads(json.dumps(results["choice"]))
    assert record["hashes"].keys() == {"model", "tokenizer", "data", "config", "model_config"}
    assert record["hashes"]["model"] == Run.fingerprint(pretrained)
    items = [json.loads(line) for line in (folder / "choice.items.jsonl").read_text().splitlines()]
    assert [each["place"] for each in items] == [f"items.jsonl:{n}" for n in range(1, 7)]
    assert (folder / "choice.txt").read_text().strip() in capsys.readouterr().out
    outputs = read_manifest(folder.parent)["outputs"]
    assert {"results.json", "evaluations/choice.json", "evaluations/choice.items.jsonl"} <= outputs.keys()


def test_what_another_run_measured_is_not_measured_again(pretrained, tmp_path, capsys, monkeypatch):
    file = rows(tmp_path / "items.jsonl", 6)
    results = call_job(choices(pretrained, tmp_path, file))
    with monkeypatch.context() as patch:
        patch.setattr(Task, "__call__", lambda *_: pytest.fail("measured again"))
        moved = rows(tmp_path / "items.jsonl", 6)  # the same content
        again = call_job(choices(pretrained, tmp_path, moved, "run.name=again", "evaluations.choice.batch_tokens=64"))
    assert again == results
    assert "choice was measured before: " in capsys.readouterr().out
    for name, changed in {
        "data": choices(pretrained, tmp_path, rows(tmp_path / "items.jsonl", 7), "run.name=data"),
        "config": choices(pretrained, tmp_path, file, "run.name=config", "evaluations.choice.max_items=3"),
        "model": choices(pretrained, tmp_path, file, "run.name=model", "model.which=last"),
    }.items():
        call_job(changed)
        assert "measured before" not in capsys.readouterr().out, name


def test_a_faulty_item_is_told_with_the_full_key_before_anything_is_measured(pretrained, corpus, tmp_path, monkeypatch):
    file = rows(tmp_path / "items.jsonl", 3, gold="maybe")
    monkeypatch.setattr(BitsPerByte, "__call__", lambda *_: pytest.fail("measured"))
    both = ("evaluation@evaluations=[bits,choice]", f"evaluations.bits.path={corpus}")
    with pytest.raises(ValueError, match=r"items\.jsonl:1: evaluations\.choice\.question\.gold gives 'maybe'"):
        call_job(choices(pretrained, tmp_path, file, *both))
    with pytest.raises(ValueError, match=r"evaluations\.choice\.path .*none\.jsonl"):
        call_job(choices(pretrained, tmp_path, tmp_path / "none.jsonl"))


def test_memorisation_finds_the_corpus_of_the_run_and_a_control_by_its_path(pretrained, corpus, tmp_path, capsys):
    chosen = ["evaluation@evaluations=memorisation", "evaluations.memorisation.prefix=12"]
    chosen += ["evaluations.memorisation.suffix=4", f"evaluations.memorisation.control.path={pretrained}"]
    node = composed("evaluate", f"run.root={tmp_path}", f"model.path={pretrained}", *chosen)
    results = call_job(node)["memorisation"]
    assert results["counted_in"] == "training corpora"
    assert results["epochs"] > 0
    for models in (*results["copies"].values(), *results["kinds"].values()):
        assert models["model"] == models["control"]  # the same model
    assert {"code, read", "prose, read", "code, not read"} <= results["kinds"].keys()
    items = (tmp_path / "evaluate/default/evaluations/memorisation.items.jsonl").read_text().splitlines()
    assert len(items) == sum(each["model"]["windows"] for each in results["copies"].values())
    capsys.readouterr()
    assert call_job(node)["memorisation"] == json.loads(json.dumps(results))
    assert "nothing to do" in capsys.readouterr().out


def test_leakage_takes_a_benchmark_as_lm_evaluate_has_it(pretrained, corpus, tmp_path, capsys):
    lines = [" ".join(str(n) for n in range(20)), *(each.text for each in documents(3))]
    items = [{"context": line, "continuation": "alpha"} for line in lines]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(each) + "\n" for each in items))
    short = ["evaluation=leakage", "+evaluation@evaluation.tasks=[cloze]", "evaluation.index.ngram=3"]
    short += ["evaluation.index.min_words=3", f"evaluation.tasks.cloze.path={tmp_path}/items.jsonl"]
    words = full_forms(short, {"evaluation@evaluations": "bits"})
    node = composed("evaluate", f"run.root={tmp_path}", f"model.path={pretrained}", *words)
    found = call_job(node)["leakage"]["tasks"]["cloze"]["found"]["question"]
    assert found["count"] == 4
    assert 0.5 <= found["value"] <= 0.75  # the numbers in a row are in no document, one of the others may be held out
    assert "training documents were searched" in capsys.readouterr().out


def test_canaries_are_those_that_the_corpus_records(pretrained, corpus, tmp_path):
    (tmp_path / "a.txt").write_text("\n\n".join(each.text for each in documents(40)))
    given = ["corpus=canaries", "corpus@corpus.documents=text", f"corpus.documents.path={tmp_path}/a.txt"]
    given += ["corpus.documents.separator='\\n\\n'", "corpus.canaries.format='code of {name} ##'"]
    given += ["corpus.canaries.each=2", "corpus.canaries.copies=[0,2]"]
    node = composed("corpus", f"run.root={tmp_path}", f"tokenizer.path={corpus}", *given)
    call_job(node)
    planted = tmp_path / "corpus" / "default"
    assert "4 copies of canaries were inserted" in read_manifest(planted)["result"]["notes"]
    chosen = ["evaluation@evaluations=exposure", f"model.path={pretrained}"]
    chosen += [f"evaluations.exposure.training.paths={planted}"]
    results = call_job(composed("evaluate", f"run.root={tmp_path}", *chosen))["exposure"]
    assert {name: each["model"]["canaries"] for name, each in results["copies"].items()} == {"0": 2, "2": 2}
    assert results["otherwise_copied"] == 0


def test_two_ranks_measure_what_one_process_does_to_the_last_bit(pretrained, corpus, tmp_path):
    chosen = [f"evaluations.choice.path={rows(tmp_path / 'items.jsonl', 12)}", f"evaluations.bits.path={corpus}"]
    chosen += ["evaluation@evaluations=[bits,choice,memorisation]", "+evaluations.bits.rows=2"]
    chosen += ["evaluations.choice.batch_tokens=64", "evaluations.memorisation.batch_tokens=64"]
    chosen += ["evaluations.memorisation.prefix=12", "evaluations.memorisation.suffix=4", f"model.path={pretrained}"]
    alone = call_job(composed("evaluate", f"run.root={tmp_path}/one", *chosen))
    node = composed("evaluate", f"run.root={tmp_path}/two", *chosen)
    assert as_ranks(2, measure, node, tmp_path) == [0, 0]
    found = [json.loads((tmp_path / f"rank-{rank}.json").read_text()) for rank in range(2)]
    assert found[0]["results"] == found[1]["results"] == json.loads(json.dumps(alone))
    assert all(0 < each["rows"] < found[0]["rows"] + found[1]["rows"] for each in found)  # each did a part
    names = ["one", "two"]
    files = [{file.name for file in (tmp_path / name).rglob("*") if file.is_file()} for name in names]
    assert files[0] == files[1]
    items = [(tmp_path / each / "evaluate/default/evaluations/choice.items.jsonl").read_text() for each in names]
    assert items[0] == items[1]


def test_ranks_of_srun_are_refused_with_what_to_start():
    with (
        pytest.raises(ValueError, match=r"started in several processes by srun.*torchrun --nproc-per-node"),
        divided({"SLURM_STEP_NUM_TASKS": "2"}),
    ):
        pytest.fail("divided")


def test_toxicity_is_measured_by_another_version_of_the_scorer_again(pretrained, tmp_path, capsys):
    (tmp_path / "prompts.txt").write_text("alpha beta\ngamma\n")
    words = tmp_path / "words.txt"
    words.write_text("badword\n")
    chosen = (
        "evaluation@evaluations=toxicity",
        f"evaluations.toxicity.path={tmp_path}/prompts.txt",
        "scorer@evaluations.toxicity.question.scorer=word_list",
        f"evaluations.toxicity.question.scorer.path={words}",
        "evaluations.toxicity.question.samples=2",
        "evaluations.toxicity.question.max_tokens=4",
    )

    def measured(name: str) -> dict:
        given = (f"run.root={tmp_path}", f"model.path={pretrained}", f"run.name={name}")
        return call_job(composed("evaluate", *given, *chosen))["toxicity"]

    first = measured("first")
    assert first["metrics"]["expected_maximum"]["count"] == 2
    assert "scorer word list words.txt " in capsys.readouterr().out
    assert measured("again") == first
    assert "was measured before" in capsys.readouterr().out
    words.write_text("badword\nalpha\n")
    measured("other")
    assert "was measured before" not in capsys.readouterr().out
