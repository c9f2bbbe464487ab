"""Faults planted in configs: each is refused by its full key, and all of a config at once."""

import sys
from pathlib import Path

import pytest

from lm.config.build import build
from lm.config.check import check, plain
from lm.config.command import faults_of
from lm.config.composition import Composition
from lm.config.faults import Fault
from lm.config.outline import config_directory
from lm.config.overrides import literal, quoted_as_needed
from lm.config.target import locate
from lm.process.distribution import install_command

sys.path.insert(0, str(Path(__file__).parents[1] / "toy"))
import toy

MODEL = {
    "_target_": "toy.Model",
    "dim": 8,
    "attention": {"_target_": "toy.Attention", "_partial_": True, "heads": 2},
}
RUN = {"_target_": "lm.directory.Run", "job": "train"}
TRAIN = {"_target_": "toy.train", "run": RUN, "model": MODEL, "data": {"_target_": "toy.Text", "path": "x"}}


def output(*overrides: str, job: str = "train", extra: Path | None = None, multirun: bool = False) -> list[str]:
    """The faults of a command line on the toy jobs."""
    given = ["data.path=x", *overrides] if job == "train" else [*overrides]
    return [
        str(fault) for fault in faults_of(Composition(job, directory=toy.CONF, extra=extra), given, multirun=multirun)
    ]


def of(**changed: object) -> list[str]:
    """The faults of a plain config with some of its parts replaced."""
    return [str(fault) for fault in check({**TRAIN, **changed})]


def part(target: str, **keys: object) -> dict:
    return {"_target_": target, **keys}


PLANTED = {
    # keys that nothing takes
    "modle.dim=4": "modle: unknown key of toy.train; did you mean model?",
    "model.dmi=4": "model.dmi: unknown key of toy.Model; did you mean dim?",
    "model.attention.hedas=3": "model.attention.hedas: unknown key of toy.Attention; did you mean heads?",
    "model.norm.esp=1": "model.norm.esp: unknown key of toy.Norm; did you mean eps?",
    "callbacks.say.wrod=x": "callbacks.say.wrod: unknown key of toy.Say; did you mean word?",
    "heads=3": "heads: unknown key of toy.train; write model.attention.heads=3",
    "+lerning_rate=1": "lerning_rate: unknown key of toy.train; did you mean learning_rate?",
    "run.nmae=x": "run.nmae: unknown key of lm.directory.Run; did you mean name?",
    "++model._partail_=true": "model._partail_: unknown key of toy.Model",
    # values of another type
    "model.dim=abc": "model.dim: expected int, got 'abc'",
    "model.dim=8.5": "model.dim: expected int, got 8.5",
    "model.dim='8'": "model.dim: expected int, got '8'",
    "model.dim=true": "model.dim: expected int, got true",
    "model.dim=null": "model.dim: expected int, got null",
    "model.dim=[8]": "model.dim: expected int, got [8]",
    "+model.dropout=high": "model.dropout: expected float, got 'high'",
    "learning_rate='1e-3'": "learning_rate: expected float, got '1e-3'",
    "model.attention.bias='yes'": "model.attention.bias: expected true or false, got 'yes'",
    "++model.attention.bias=1": "model.attention.bias: expected true or false, got 1",
    "+model.activation=gelu": "model.activation: expected swiglu or relu, got 'gelu'",
    "+model.sizes=[1,two]": "model.sizes: expected list of int or null, got [1, 'two']",
    "+model.betas=[0.9]": "model.betas: expected list of float to float, got [0.9]",
    "run.restart='false'": "run.restart: expected true or false, got 'false'",
    "behave=3": "behave: expected str, got 3",
    # parts where something else is wanted
    "model=null": "model: missing: toy.train needs it; set model=…",
    "model.norm=small": "model.norm: expected Norm or null, got 'small'",
    "model.norm._target_=toy.Say": "model.norm: toy.Say builds Say, but Norm is wanted",
    "++model.norm._partial_=true": "model.norm: toy.Norm is a factory, but Norm itself is wanted: leave out _partial_",
    "model.attention._partial_=false": "model.attention: toy.Attention is built at once, but a factory of Attention",
    "model.attention._target_=toy.Norm": "model.attention: toy.Norm builds Norm, but a factory of Attention is wanted",
    "callbacks.say._target_=toy.Norm": "callbacks.say: toy.Norm builds Norm, but Callback is wanted",
    # targets
    "model._target_=toy.Modle": "model._target_: there is no toy.Modle; did you mean toy.Model?",
    "model._target_=tyo.Model": "model._target_: there is no tyo; did you mean toy?",
    "model._target_=lm.directry.Run": "model._target_: there is no lm.directry; did you mean lm.directory?",
    "model._target_=toy.CONF": "model._target_: toy.CONF is neither a class nor a function",
    # what is not there
    "data.path=???": "data.path: missing: set data.path=…",
    "~model.dim": "model.dim: missing: toy.Model needs it; set model.dim=…",
    "~model": "model: missing: toy.train needs it; set model=…",
    "data.path=${modle.dim}": "data.path: ${modle.dim} cannot be resolved: Interpolation key 'modle.dim' not found",
    "data.path=${oc.env:NOT_SET_ANYWHERE}": "data.path: ${oc.env:NOT_SET_ANYWHERE} cannot be resolved",
    # options and the words of the command line
    "model=bigg": "model=bigg: no such option; did you mean big?",
    "model=x": "model=x: no such option; there is big, small",
    "model/attention=groupd": "model/attention=groupd: no such option; did you mean grouped?",
    "experiment=nope": "experiment=nope: no such option; there is broken, fast, hasty, lost",
    "experiment=broken": "broken.yaml, line 4: expected ',' or '}'",
    "experiment=lost": "Could not find 'model/bigg'; did you mean big?",
    "seed=[1": "seed=[1: is not key=value as Hydra reads it",
    "seed": "seed: is not key=value as Hydra reads it",
    "+model.dim=3": "+model.dim=3: is in the YAML already: leave out the +",
    "seed=1,2": "seed=1,2: has several values: add -m",
    "~sede": "~sede: Could not delete from config",
    "hydra.searchpath=[/nowhere]": "/nowhere is not available",
}  # fmt: skip


@pytest.mark.parametrize(("override", "expected"), PLANTED.items())
def test_a_planted_fault_is_refused_with_its_key_and_a_suggestion(override: str, expected: str) -> None:
    faults = output(override)
    assert expected in faults[0], faults
    # another target, or the same one built at once, may have other keys besides
    assert len(faults) == 1 or "._target_" in override or "._partial_" in override, faults


def test_there_are_at_least_thirty_planted_faults() -> None:
    assert len(PLANTED) >= 30


def test_the_toys_themselves_have_no_fault() -> None:
    assert output() == output("model=big", "experiment=fast", "model/attention=full") == []
    assert output("first.data.path=x", job="both") == output(job="greet") == []


def test_all_faults_are_reported_at_once() -> None:
    faults = output("modle=1", "model.dim=abc", "model=bigg", "seed=1.5", "a=[1", "data.path=???", "model.hedas=1")
    keys = {fault.split(":")[0] for fault in faults}
    assert keys == {"modle", "model.dim", "model=bigg", "seed", "a=[1", "data.path", "model.hedas"}


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("'seed=1'", "'seed=1': leave out the quotes around it"),
        ("model@other=small", "model@other=small: lm train has no such choice; to add it, write +model@other=small"),
    ],
)
def test_a_missing_or_superfluous_plus_is_named(typed: str, expected: str) -> None:
    assert output(typed) == [expected]


def test_an_experiment_without_a_global_package_is_refused(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("learning_rate: 0.1\n")
    assert output("experiment=mine", extra=tmp_path) == ["experiment=mine: its first line must be # @package _global_"]


def test_typos_in_an_experiment_are_refused_though_hydra_takes_them() -> None:
    faults = output("experiment=hasty")
    assert [fault.split(":")[0] for fault in faults] == ["lerning_rate", "model.dmi"]


def test_typos_in_a_directory_of_the_users_own_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text(
        "# mine\ndefaults: [attention: grouped]\n_target_: toy.Model\ndim: 4\nlayres: 1\n"
    )
    expected = ["model.layres: unknown key of toy.Model; did you mean layers?"]
    assert output("model=mine", extra=tmp_path) == expected
    assert output("model=mine", f"hydra.searchpath=[{tmp_path}]") == expected
    assert "did you mean mine?" in output("model=mien", extra=tmp_path)[0]


def test_every_value_of_a_sweep_is_checked_before_the_first_runs() -> None:
    assert output("model.dim=4,8", "model=small,big", "seed=range(1,1000)", multirun=True) == []
    assert output("model.dim=4,8,abc", "model=small,bgi", multirun=True) == [
        "model.dim: expected int, got 'abc'",
        "model=bgi: no such option; did you mean big?",
    ]


def test_a_fault_in_a_stage_of_a_pipeline_has_its_full_key() -> None:
    faults = output("first.data.path=x", "second.model.attention.hedas=1", "first.seed=a", job="both")
    assert faults == [
        "first.seed: expected int, got 'a'",
        "second.model.attention.hedas: unknown key of toy.Attention; did you mean heads?",
    ]


def test_a_missing_value_is_reported_once_and_not_where_it_is_read() -> None:
    assert output(job="both") == ["first.data.path: missing: set first.data.path=…"]


def test_null_takes_back_an_option_also_one_that_an_experiment_chose() -> None:
    assert output("callbacks=null") == output("experiment=null") == []
    assert "callbacks" not in Composition("train", directory=toy.CONF).compose(["data.path=x", "callbacks=null"])
    curate = Composition("curate", directory=config_directory())
    assert "_target_" in curate.compose(["experiment=curation"])["fits"]
    assert "_target_" not in curate.compose(["experiment=curation", "rule@fits=null"])["fits"]


def test_values_that_fit_are_taken() -> None:
    assert of(learning_rate=1, steps=20.0, seed=1e3) == []
    assert of(model={**MODEL, "betas": [0.9, 1], "sizes": [1, 2], "dropout": 0, "norm": None}) == []
    assert of(data=part("toy.Text", path="x"), callbacks={}) == []


def test_a_whole_float_becomes_the_int_of_the_hint() -> None:
    config = plain({**TRAIN, "steps": 1e3, "model": {**MODEL, "sizes": [2.0, 3]}, "learning_rate": 1})
    assert (config["steps"], type(config["steps"])) == (1000, int)
    assert [type(size) for size in config["model"]["sizes"]] == [int, int]
    assert type(config["learning_rate"]) is int


def test_a_function_may_be_given_as_a_factory_or_as_an_object_that_can_be_called() -> None:
    assert of(rate=part("toy.scale", _partial_=True, by=3)) == []
    assert of(rate=part("torch.nn.ReLU")) == []
    assert "is built at once" in of(rate=part("toy.Norm"))[0]


def test_parts_within_lists_and_mappings_are_checked() -> None:
    faults = of(callbacks={"a": part("toy.Say", tiems=1), "b": part("toy.Say", times="x")})
    assert faults == [
        "callbacks.a.tiems: unknown key of toy.Say; did you mean times?",
        "callbacks.b.times: expected int, got 'x'",
    ]
    callbacks = [part("toy.Say"), part("toy.Say", word=1)]
    assert of(logger=part("toy.Open", parts=callbacks)) == ["logger.parts[1].word: expected str, got 1"]


def test_a_target_that_takes_any_key_still_refuses_a_near_miss() -> None:
    assert of(logger=part("toy.Open", group="x")) == []
    assert "did you mean project?" in of(logger=part("toy.Open", porject="x"))[0]
    assert of(logger=part("toy.Open", project="x", projects="y")) == []


def test_a_class_written_in_rust_wants_no_self() -> None:
    assert of(logger=part("toy.Open", it=part("tokenizers.normalizers.Strip", left=False))) == []
    assert "did you mean left?" in of(logger=part("toy.Open", it=part("tokenizers.normalizers.Strip", lefft=False)))[0]


def test_library_classes_are_checked_against_their_signatures() -> None:
    def trainer(**keys: object) -> list[str]:
        return of(logger=part("toy.Open", it=part("lightning.Trainer", **keys)))

    assert trainer(max_steps=10, precision="bf16-mixed", devices="auto", logger=False, callbacks=[]) == []
    assert "did you mean max_steps?" in trainer(max_step=10)[0]
    assert "logger.it.max_steps: expected int, got 'many'" in trainer(max_steps="many")
    assert "logger.it.precision" in trainer(precision="bf17")[0]
    adamw = part("torch.optim.AdamW", _partial_=True, lr=1e-3, betas=[0.9, 0.95])
    assert of(logger=part("toy.Open", it=adamw)) == []
    assert "did you mean weight_decay?" in of(logger=part("toy.Open", it={**adamw, "wieght_decay": 1}))[0]
    assert "it.params: missing" in of(logger=part("toy.Open", it={**adamw, "_partial_": False}))[0]
    wandb = part("lightning.pytorch.loggers.WandbLogger", offline=True, group="any key of wandb.init")
    assert of(logger=part("toy.Open", it=wandb)) == []
    assert "offline: expected true or false" in of(logger=part("toy.Open", it={**wandb, "offline": "no"}))[0]


def test_a_module_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "needy.py").write_text("import not_installed_anywhere\nclass Thing: ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert of(logger=part("needy.Thing")) == [
        "logger._target_: needy cannot be imported: No module named 'not_installed_anywhere'"
    ]


def test_a_config_that_calls_nothing_is_refused() -> None:
    assert check({"seed": 1}) == [Fault("_target_", "missing: the config of a job names the function to call")]


def test_build_gives_objects_and_factories_and_plain_containers() -> None:
    model = build(plain(TRAIN)["model"])
    assert isinstance(model, toy.Model)
    assert (model.layer.dim, model.layer.heads) == (8, 2)
    assert build({"a": [part("toy.Say"), 1], "b": None})["a"][0].call() == "hello"
    assert type(build(part("toy.Open", parts=[{"x": 1}])).more["parts"]) is list


def test_our_own_refusal_passes_through_as_it_is() -> None:
    with pytest.raises(ValueError, match=r"^run\.name=\.\.: must lie inside"):
        build(part("lm.directory.Run", job="a", name=".."), key="run")


def test_an_error_of_a_library_names_the_part() -> None:
    with pytest.raises(ValueError, match=r"^ratio\.parts: fractions\.Fraction refuses this: Fraction\(1, 0\)"):
        build(part("toy.Open", parts=part("fractions.Fraction", numerator=1, denominator=0)), key="ratio")


def test_a_fault_of_a_part_used_twice_is_reported_where_it_is_defined() -> None:
    shared = {"model": {**MODEL, "hedas": 1}, "data": {"_target_": "toy.Text"}}
    first, second = {**TRAIN, **shared}, {**TRAIN, "model": "${first.model}", "data": "${first.data}"}
    faults = check({"_target_": "toy.both", "run": RUN, "first": first, "second": second})
    assert [fault.key for fault in faults] == ["first.model.hedas", "first.data.path"]


def test_an_option_for_a_part_that_is_taken_from_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "linked.yaml").write_text(
        "# two\ndefaults: [/train@first, /train@second, _self_]\n_target_: toy.both\n"
        "run: {_target_: lm.directory.Run, job: linked}\n"
        "first: {data: {path: x}}\nsecond: {model: '${first.model}', data: {path: x}}\n"
    )
    assert output("model@first.model=big", job="linked", extra=tmp_path) == []
    assert output("model@second.model=big", job="linked", extra=tmp_path) == [
        "model@second.model=big: has no effect: it is ${first.model} here, so choose it there",
    ]


@pytest.mark.parametrize(
    "text", ["red? (40)", "it's", "a \\\\' b (", "back\\slash (", "f():\n    (x)\n", "{", "a=b(", "'"]
)
def test_text_need_not_follow_hydras_grammar(text: str) -> None:
    composition = Composition("train", directory=toy.CONF)
    read = quoted_as_needed(composition, f"behave={text}")
    assert composition.compose(["data.path=x", read]).behave == text


@pytest.mark.parametrize("typed", ["seed=1", "behave='a, b'", "model.dim=4,8", "model=[small]", "seed"])
def test_overrides_that_hydra_reads_are_not_quoted(typed: str) -> None:
    assert quoted_as_needed(Composition("train", directory=toy.CONF), typed) == typed


@pytest.mark.parametrize(
    "text",
    [
        "import ",
        "  lead",
        "Hello, how are you?",
        "42",
        "1e3",
        "true",
        "glob(*)",
        "a (b), c",
        "C:\\Users\\me\\new",
        "D:/runs",
        "C:\\my texts\\(1)\\*.txt",
        "\\\\server\\share\\x",
        "C:\\data\\",
    ],
)
def test_a_text_stays_as_typed(text: str) -> None:
    composition = Composition("train", directory=toy.CONF)
    read = quoted_as_needed(composition, f"behave={text}")
    assert composition.compose(["data.path=x", read]).behave == text


def test_intended_numbers_and_sweeps_stay_as_typed() -> None:
    composition = Composition("train", directory=toy.CONF)
    for typed in ("seed=42", "behave=null", "behave=a,b", "behave='a, b'", "model.dim=8", "model=small"):
        assert quoted_as_needed(composition, typed) == typed
    assert quoted_as_needed(composition, "behave=bug, well", multirun=True) == "behave=bug, well"
    assert quoted_as_needed(composition, "behave=42", multirun=True) == "behave=42"


def test_a_plain_value_is_typed_so_that_hydra_reads_it_again() -> None:
    value = {
        "_target_": "a.b",
        "x": [1, 2.5e-7, None, True],
        "inner": {"text": "it's a \\' {b}, (c", "none": {}},
        "y": "1",
    }
    config = Composition("train", directory=toy.CONF).compose(["data.path=x", f"+logger={literal(value)}"])
    assert config.logger == value


def test_a_key_that_comes_with_a_chosen_option_is_no_fault_beside_another() -> None:
    (fault,) = output("model=big", "model.layers=3", "modle=1")
    assert fault.startswith("modle: unknown key")


def test_a_key_of_another_option_is_reported_with_the_option(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "deep.yaml").write_text(
        "# deep\ndefaults: [attention: grouped]\n_target_: toy.Model\ndim: 4\ndropout: 0.1\n"
    )
    (fault,) = output("model.dropout=0.2", extra=tmp_path)
    assert fault == "model.dropout: is not in the YAML; write model=deep model.dropout=0.2"


def test_a_target_of_a_package_that_an_extra_brings_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "datatrove", None)
    found, complaint = locate("datatrove.executor.LocalPipelineExecutor")
    assert (found, complaint) == (None, f"there is no datatrove; {install_command('executors')}")


def test_changing_a_composed_config_changes_no_other():
    composition = Composition("train", directory=toy.CONF)
    first = composition.compose(["data.path=x"])
    first.data.path = "y"
    assert composition.compose(["data.path=x"]).data.path == "x"
    assert composition.compose(["data.path=z"]).data.path == "z"
