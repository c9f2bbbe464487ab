"""What `lm JOB --help` shows: one screen on each job, a group in full, the nearest of a wrong one."""

from pathlib import Path

import pytest

from lm.cli.completion import candidates
from lm.cli.job_help import describe_job
from lm.cli.main import main
from lm.config.outline import config_directory, first_keys, jobs, outline

CONF = config_directory()
PLACES = [CONF]
LINES = 40  # of a screen


@pytest.fixture
def wide(monkeypatch):
    return lambda columns: monkeypatch.setenv("COLUMNS", str(columns))


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_a_job_fits_a_screen_of_forty_lines_and_any_width(columns, wide):
    wide(columns)
    for job in jobs(PLACES):
        lines = describe_job(job, PLACES).splitlines()
        assert max(map(len, lines)) <= min(columns, 100), job
        assert columns < 80 or len(lines) < LINES, job
        assert lines[-1].split() == f"lm {job} --help all {' '.join(lines[-1].split()[4:])}".split()


def test_in_a_pipe_it_has_eighty_columns(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr("sys.__stdout__", None)
    assert max(map(len, describe_job("pretrain", PLACES).splitlines())) <= 80


@pytest.mark.parametrize("job", jobs(PLACES))
def test_a_job_names_keys_that_it_has(job):
    found = outline(job, PLACES)
    named = first_keys(job, PLACES)
    assert named
    assert [key for key in named if key not in {**found.own, **found.inherited}] == []


@pytest.mark.parametrize(
    ("job", "first"),
    [
        ("pretrain", ["run.name", "data.path", "budget.tokens", "budget.batch_tokens", "optimizer.learning_rate"]),
        ("instruct", ["model.path", "run.name", "budget.epochs", "budget.batch_tokens", "optimizer.learning_rate"]),
        ("align", ["model.path", "data.preferences.path", "run.name"]),
        ("chat", ["model.path", "message"]),
        ("pipeline", ["text", "conversations"]),
    ],
)
def test_what_must_be_given_and_what_people_set_stands_first(job, first, wide):
    wide(100)
    rows = describe_job(job, PLACES).split("must be given)\n")[1].splitlines()
    assert [row.split("=")[0].strip() for row in rows[: len(first)]] == first


def test_a_screen_has_values_meanings_and_the_other_options(wide):
    wide(80)
    said = describe_job("pretrain", PLACES)
    assert "  data.path=outputs/corpus/default  Directory of a corpus, or a list of them\n" in said
    assert "  optimizer.learning_rate=" in said
    assert "  model=tiny                    base checkpoint gemma2 gemma3 gpt2 gpt_neox …\n" in said
    assert "  experiment=null               shakespeare\n" in said
    assert "model.path=…  " in describe_job("chat", PLACES)


def test_a_group_has_its_options_and_its_keys_with_their_meaning():
    said = describe_job("pretrain", PLACES, ["optimizer"])
    assert said.startswith("optimizer=muon\n")
    assert "  * muon " in said
    assert "  optimizer.learning_rate=" in said
    assert "\n      Peak learning rate" in said
    assert "  model." not in said.split("keys (")[1]


def test_a_group_names_those_inside_and_leaves_their_keys_to_them():
    said = describe_job("pretrain", PLACES, ["model"])
    assert "\ngroups inside\n  model/attention=grouped   full normed windowed\n" in said
    assert "  model.dim=192\n" in said
    assert "heads=" not in said
    for name in ("model.attention", "model/attention"):
        assert "  model.attention.heads=3\n      Query heads.\n" in describe_job("pretrain", PLACES, [name]) + "\n"


@pytest.mark.parametrize("part", ["run", "model.initialize", "model.dim"])
def test_a_part_that_is_no_group_has_its_keys(part):
    keys = [line for line in describe_job("pretrain", PLACES, [part]).splitlines()[1:] if line.startswith("  " + part)]
    assert keys


def test_another_option_and_value_can_be_asked_for():
    assert "  budget.epochs=" in describe_job("pretrain", PLACES, ["budget", "budget=epochs"])
    assert "  model.dim=64\n" in describe_job("pretrain", PLACES, ["model.dim", "model.dim=64"])


def test_every_group_of_every_job_can_be_asked_for(wide):
    wide(80)
    for job in jobs(PLACES):
        for part in candidates([job, "--help", ""], CONF):
            said = describe_job(job, PLACES, [part.strip()])
            assert len(said.splitlines()) > 1, part
            assert max(map(len, said.splitlines())) <= 80, part


def test_a_stage_of_a_pipeline_is_shown_as_its_job(wide):
    wide(80)
    said = describe_job("pipeline", PLACES)
    assert "as in lm pretrain: lm pipeline --help pretrain\n" in said
    stage = describe_job("pipeline", PLACES, ["pretrain"])
    assert "  pretrain.model.dim=192 " in stage
    assert "  budget@pretrain.budget=minutes " in stage
    assert len(stage.splitlines()) < LINES


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("pretrain --help optimiser", "lm pretrain has no group or part optimiser; did you mean optimizer?"),
        ("pretrain --help model/atention", "did you mean model.attention?"),
        ("pipeline --help optimizer", "did you mean pretrain.optimizer or instruct.optimizer or "),
        ("pretrain --help optimizer=adamv", "optimizer=adamv: there is no such option; did you mean adamw?"),
        (
            "pretrain --help optimizer modle=small",
            "modle=small: lm pretrain has no such group or key; did you mean model",
        ),
        ("pretrain --help zzz", "lm pretrain has no group or part zzz; see lm pretrain --help"),
    ],
)
def test_a_wrong_part_is_answered_with_the_nearest(command, error, capsys):
    assert main(command.split()) == 2
    said = capsys.readouterr().err
    assert error in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    "command",
    [
        "pretrain --help optimizer",
        "pretrain optimizer --help",
        "pretrain -h optimizer",
        "pretrain --help=optimizer",
        "pretrain help optimizer",
        "--help pretrain optimizer",
    ],
)
def test_the_part_may_stand_before_and_after_help(command, capsys):
    assert main(command.split()) == 0
    assert capsys.readouterr().out.startswith("optimizer=muon\n")


def test_all_has_every_option_and_the_keys_of_the_job(capsys):
    assert main(["pretrain", "--help", "all"]) == 0
    said = capsys.readouterr().out
    assert "    * tiny         2.4 M parameters" in said
    assert "  run.extend=false\n      Whether a longer budget" in said
    assert "lm explain pretrain KEY" in said.splitlines()[-2] + said.splitlines()[-1]


def test_a_job_of_the_users_own_shows_its_first_keys(tmp_path: Path):
    (tmp_path / "mine.yaml").write_text("# My job.\n_target_: mine.job\nzeta: ???\nalpha: 1\nwords: [a, b]\n")
    said = describe_job("mine", [CONF, tmp_path])
    rows = said.split("must be given)\n")[1].splitlines()[:3]
    assert [row.strip() for row in rows] == ["zeta=…", "alpha=1", "words=[a,b]"]
