"""`lm explain KEY` says what a key means, its type, its value, where it is set and who reads it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lm.cli.explain import explain
from lm.config.docstrings import alternatives
from lm.config.outline import config_directory

sys.path.insert(0, str(Path(__file__).parents[1] / "toy"))
import toy

CONF = config_directory()


def explained(*words: str, directory: Path = CONF) -> str:
    return explain(words, directory)


def fact(text: str, label: str) -> str:
    return re.search(rf"^  {label} +(.*)$", text, re.MULTILINE)[1]


def test_a_key_has_its_meaning_type_default_value_place_and_reader() -> None:
    text = explained("pretrain", "model.attention.key_value_heads")
    assert text.splitlines()[0] == "model.attention.key_value_heads = 1"
    assert "null" in fact(text, "type")
    assert fact(text, "default") == "null"
    assert re.search(r"conf/model/tiny\.yaml:\d+ \(1\), over .*conf/model/attention/grouped\.yaml", fact(text, "set"))
    assert re.search(r"^lm\.model\.Attention +\S*lm/model/attention\.py:\d+$", fact(text, "read by"))


def test_the_line_of_a_yaml_file_is_that_of_the_key() -> None:
    file, line = re.search(r"(\S+\.yaml):(\d+)", fact(explained("pretrain", "model.dim"), "set")).groups()
    path = Path(file) if Path(file).is_absolute() else Path.cwd() / file
    assert path.read_text().splitlines()[int(line) - 1].startswith("dim:")


def test_overrides_choose_and_set() -> None:
    assert "conf/model/small.yaml" in explained("pretrain", "model=small", "model.dim")
    text = explained("pretrain", "model.dim=64", "model.dim")
    assert text.startswith("model.dim = 64")
    assert "command line: model.dim=64, over" in fact(text, "set")


def test_an_experiment_is_named_as_the_place() -> None:
    text = explained("pipeline", "experiment=minute", "pretrain.budget.tokens")
    assert "conf/experiment/minute.yaml" in fact(text, "set")


def test_an_interpolation_is_shown_with_its_value() -> None:
    assert explained("pretrain", "data.path").startswith("data.path = outputs/corpus/default (from ${..run.root}")


def test_without_a_job_pretraining_is_meant_and_others_are_named() -> None:
    text = explained("budget.batch_tokens")
    assert "conf/budget/tokens.yaml" in text
    assert "also a key of: " in text
    assert "instruct" in text
    assert "lm/jobs/chat.py" in explained("message")


def test_a_group_lists_its_options_with_what_they_are_for() -> None:
    text = explained("train", "model", directory=toy.CONF)
    assert "* small  8 wide" in text
    assert "  big    64 wide" in text
    assert "builds toy.Model" in text
    assert explained("train", "model/attention", directory=toy.CONF) == explained(
        "train", "model.attention", directory=toy.CONF
    )


def test_a_part_lists_what_may_stand_in_its_place() -> None:
    text = explained("pretrain", "data.packing")
    assert "lm.data.packing.best_fit" in text
    assert "exact_fit" in text
    assert "lm.data.packing.cut" not in alternatives("lm.data.packing.cut")


def test_a_parameter_that_no_yaml_sets_is_explained_with_its_default() -> None:
    text = explained("train", "model.activation", directory=toy.CONF)
    assert text.startswith("model.activation (not in the YAML)")
    assert fact(text, "type") == "swiglu | relu"
    assert fact(text, "set") == "nowhere; the default applies unless +model.activation=… is added"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["pretrain", "model.dims"], "lm pretrain has no key model.dims; did you mean model.dim?"),
        (["corpus", "corpus.filters"], "lm corpus has no key corpus.filters; set corpus=funnel or"),
        (["pretrain"], "name one key: lm explain [JOB] [group=option …] KEY"),
        (["model.dim", "model.layers"], "name one key"),
    ],
)
def test_an_unknown_key_is_refused_with_a_suggestion(words: list[str], complaint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)):
        explained(*words)


def test_explaining_does_not_import_torch(tmp_path: Path) -> None:
    script = (
        "import sys; from lm.cli.main import main; main(['explain', 'pretrain', 'model.dim']); "
        "assert not {'torch', 'lightning', 'tokenizers'} & {*sys.modules}"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("model.dim = 192")
