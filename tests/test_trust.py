"""A part of a user's own package trains, and is loaded again, where the command names the package as trusted."""

import json

import pytest

from lm.cli.call import call_job
from lm.config.trust import trusting
from lm.directory.manifest import read_manifest
from lm.interchange import load_model
from support.own_parts import OwnLogger
from support.training_runs import composed, instruction, make_corpus, pretraining

OWN = ("model.feedforward._target_=support.own_parts.OneMatrix", "budget.steps=1", "validations=0")
NEEDED = r"names support\.own_parts\.OneMatrix, .*add trust=\[support\] to the command"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    root = tmp_path_factory.mktemp("trained")
    call_job(pretraining(corpus, root, "run", *OWN, "trust=[support]"))
    return root / "pretrain" / "run"


@pytest.mark.parametrize("dry_run", ["true", "false"])
def test_an_own_part_is_refused_before_the_first_step_and_trained_once_trusted(dry_run, corpus, trained, tmp_path):
    with pytest.raises(ValueError, match=rf"^model {NEEDED}; later jobs"):
        call_job(pretraining(corpus, tmp_path, "run", *OWN, f"dry_run={dry_run}"))
    assert not (tmp_path / "pretrain").exists()
    assert read_manifest(trained)["config"]["trust"] == ["support"]


def test_a_run_that_trusts_a_package_is_not_trusted_for_it(trained, tmp_path, capsys):
    asked = ("generate", f"model.path={trained}", "prompt=alpha", "max_tokens=2")
    with pytest.raises(ValueError, match=rf"model\.json {NEEDED}"):
        call_job(composed(*asked))
    call_job(composed(*asked, "trust=[support.own_parts]"))
    assert capsys.readouterr().out.startswith("alpha")
    with pytest.raises(ValueError, match=NEEDED):  # the trust of one call ends with it
        load_model(str(trained))
    with trusting(["support"]):
        assert load_model(str(trained)).context


@pytest.mark.parametrize("names", ["supp", "support.own", "os", "lm"])
def test_trust_names_whole_packages(names, trained):
    with trusting([names]), pytest.raises(ValueError, match=NEEDED):
        load_model(str(trained))


def test_a_name_that_is_no_package_is_refused(trained):
    with pytest.raises(ValueError, match=r"trust: 'm ine' is not the name of a package"), trusting(["m ine"]):
        pass


def test_trust_in_one_package_is_none_in_what_it_imports(trained, tmp_path):
    for target in ("support.training_runs.json.loads", "support.training_runs.os.system"):
        (tmp_path / "model.json").write_text(json.dumps({"_target_": target, "vocab_size": 3}))
        with trusting(["support"]), pytest.raises(ValueError, match=r"names support\."):
            load_model(str(tmp_path))


def test_an_own_template_is_trusted_the_same_way(corpus, tmp_path, capsys):
    call_job(pretraining(corpus, tmp_path, "run", "budget.steps=1", "validations=0"))
    own = ("+data.template._target_=support.own_parts.Plain", "budget.steps=1", "validations=0", "model.context=64")
    with pytest.raises(ValueError, match=r"^data\.template names support\.own_parts\.Plain, .*trust=\[support\]"):
        call_job(instruction(tmp_path / "pretrain/run", tmp_path, "tuned", *own))
    call_job(instruction(tmp_path / "pretrain/run", tmp_path, "tuned", *own, "trust=[support]"))
    asked = ("chat", f"model.path={tmp_path / 'instruct/tuned'}", "message=alpha", "max_tokens=2")
    with pytest.raises(ValueError, match=r"conversation\.json names support\..*trust=\[support\].*conversation@templ"):
        call_job(composed(*asked))
    call_job(composed(*asked, "trust=[support]"))


def test_a_part_built_at_once_is_refused_before_the_first_step(corpus, tmp_path):
    config = pretraining(corpus, tmp_path, "run", "budget.steps=1")
    config["model"]["initialize"] = {"_target_": "datetime.timedelta"}
    with pytest.raises(ValueError, match=r"model\.initialize cannot be written to model\.json .*_partial_: true"):
        call_job(config)


def test_a_module_of_the_current_directory_is_found_with_the_path_to_set(tmp_path, monkeypatch):
    from lm.config.target import locate

    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "unseen_module.py").touch()
    monkeypatch.chdir(tmp_path)
    assert "run PYTHONPATH=parts lm …" in locate("unseen_module.Part")[1]
    (tmp_path / "unseen_module.py").touch()
    assert "run PYTHONPATH=. lm …" in locate("unseen_module.Part")[1]


@pytest.mark.parametrize("dry_run", ["true", "false"])
def test_an_own_class_of_tokenizer_is_refused_before_the_first_step(dry_run, corpus, tmp_path):
    named = ("tokenizer._target_=support.own_parts.own_tokenizer", f"dry_run={dry_run}", "trust=[support]")
    with pytest.raises(ValueError, match=r"makes a support\.own_parts\.OwnTokenizer, which no later job could load"):
        call_job(pretraining(corpus, tmp_path, "run", *named))
    assert not (tmp_path / "pretrain").exists()


def test_own_data_an_own_logger_and_an_own_way_to_a_tokenizer_train_and_later_jobs_need_none(corpus, tmp_path, capsys):
    own = "support.own_parts."
    parts = [f"data._target_={own}OwnData", f"tokenizer._target_={own}plain_tokenizer"]
    logger = f"+logger.own={{_target_: {own}OwnLogger, _partial_: true}}"
    OwnLogger.logged.clear()
    call_job(pretraining(corpus, tmp_path, "run", *parts, logger, "budget.steps=1", "validations=1"))
    assert {"train/loss", "validation/loss"} <= {*OwnLogger.logged}
    call_job(composed("generate", f"model.path={tmp_path / 'pretrain' / 'run'}", "prompt=alpha", "max_tokens=2"))
    assert "alpha" in capsys.readouterr().out
