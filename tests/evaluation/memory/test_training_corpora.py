"""A model's corpora are those that its run, and the runs before it, recorded."""

import json
import shutil

import pytest

from lm.corpus import Shards
from lm.evaluation import TrainingCorpora
from lm.files import hash_json
from support.training_runs import make_corpus


def recorded(folder, *, data=None, trained=None, parent=None, tokens=None, objective=True) -> str:
    folder.mkdir(parents=True)
    config = {"data": data} | ({"objective": {}} if objective else {})
    manifest = {"state": "complete", "config": config, "inputs": {"data": trained}, "result": {"tokens": tokens}}
    manifest |= {"lineage": {"parent": {"run": str(parent)}}} if parent else {}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return str(folder)


@pytest.fixture
def corpus(tmp_path):
    return make_corpus(tmp_path / "corpus", count=30)


def fingerprint(*corpora) -> str:
    return hash_json([Shards(each).fingerprint for each in corpora])


def test_corpora_of_a_tuned_run_are_those_of_the_runs_before_it(tmp_path, corpus):
    other = make_corpus(tmp_path / "other", count=30)
    base = {"path": [str(corpus), str(other)]}
    first = recorded(tmp_path / "a", data=base, trained=fingerprint(corpus, other), tokens=100)
    second = recorded(tmp_path / "b", data={"path": str(other)}, trained=fingerprint(other), parent=first, tokens=50)
    tuned = recorded(tmp_path / "c", data={"conversations": {"path": "chat.jsonl"}}, parent=second, tokens=10)
    found = TrainingCorpora(tuned)
    assert found.directories() == [other, corpus]
    tokens = sum(each.tokens for shards in found.shards().values() for each in shards.streams.values())
    assert found.epochs() == pytest.approx(150 / tokens)  # what it read of conversations does not count
    assert found.fingerprint() != TrainingCorpora(paths=str(corpus)).fingerprint()


def test_a_corpus_that_was_made_again_moved_or_never_was_is_told_with_a_remedy(tmp_path, corpus):
    run = recorded(tmp_path / "run", data={"path": str(corpus)}, trained="another")
    with pytest.raises(ValueError, match=r"was made again after .*run was trained.*evaluation\.training\.paths=\["):
        TrainingCorpora(run).directories()
    assert TrainingCorpora(run, paths=[str(corpus)]).directories() == [corpus]
    assert TrainingCorpora(run, paths=[str(corpus)]).epochs() is None
    shutil.rmtree(corpus)
    with pytest.raises(ValueError, match=r"corpus, the corpus that .*run was trained on, is not there: set"):
        TrainingCorpora(run).directories()
    tuned = recorded(tmp_path / "tuned", data={"conversations": {}}, parent=tmp_path / "gone")
    with pytest.raises(ValueError, match=r"gone is not a run.*tuned comes from it"):
        TrainingCorpora(tuned).directories()
    alone = recorded(tmp_path / "alone", data={"conversations": {}})
    with pytest.raises(ValueError, match=r"neither .*alone nor a run before it was trained on a prepared corpus"):
        TrainingCorpora(alone).directories()
    with pytest.raises(ValueError, match=r"no run says what the model was trained on"):
        TrainingCorpora().directories()
