"""A dry run estimates what a run would take, reads no tokens and writes nothing."""

import json
import re
import shutil
from functools import partial

import pytest
import torch
from torch.overrides import TorchFunctionMode

from lm.cli.call import call_job
from lm.cli.main import main
from lm.data.packing import best_fit, cut
from lm.data.pretraining import PretrainingData
from lm.hardware.datasheets import DATASHEETS, measure_machine
from lm.report import Line, aligned, scaled
from lm.tokenizer import load_tokenizer
from lm.training.estimate import duration
from lm.training.footprint import HOLES
from lm.training.pace import Pace
from support.training_runs import composed, make_corpus, of_seconds, pretraining


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def pretrained(corpus, tmp_path_factory):
    root = tmp_path_factory.mktemp("pretrained")
    call_job(pretraining(corpus, root, "run", "budget.steps=1", "validations=0"))
    return root / "pretrain" / "run"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("lm.training.estimate.measure_machine", partial(measure_machine, seconds=0.01))
    monkeypatch.setattr("lm.training.dry_timing.TIMED", 0.0)
    monkeypatch.setattr("lm.training.estimate.resident_memory", lambda: 400_000_000)


def values(text: str) -> dict[str, str]:
    """The value of each line by its label."""
    return {label.strip(): value for label, value in re.findall(r"^(.+?)  +([^ ]+(?: [^ ]+)?)(?:  |$)", text, re.M)}


def test_a_dry_run_prints_everything_and_writes_nothing(corpus, tmp_path, capsys):
    assert main(["pretrain", "dry_run=true", *of_seconds(corpus, tmp_path, "run")]) == 0
    output = values(capsys.readouterr().out)
    assert output["steps"] == "12"
    assert output["tokens"] == scaled(12 * 256)
    parts = ("weights", "optimizer", "gradients", "activations", "logits")
    assert {"parameters", "epochs of code", "epochs of prose", "FLOPs", "memory", *parts} <= output.keys()
    assert [key for key in output if key.startswith("on ")] == [
        "on 1 × this machine", *(f"on 1 × {name}" for name in DATASHEETS)
    ]  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_the_memory_on_a_cpu_is_all_that_the_process_holds(corpus, tmp_path, capsys):
    call_job(pretraining(corpus, tmp_path, "run", "dry_run=true"))
    text = capsys.readouterr().out
    sizes = {"kB": 1e3, "MB": 1e6}
    found = {
        label: float(size) * sizes[unit] for label, size, unit in re.findall(r"^ *(\w+) +([\d.]+) ([kM]B) ", text, re.M)
    }
    transient = sum(found[part] for part in ("gradients", "activations", "logits"))
    assert found["libraries"] == 400e6
    assert HOLES * transient <= 1.02 * found["allocator"]  # more where the optimizer computes in copies of its own
    held = 400e6 + found["allocator"] + transient + found["weights"] + found["optimizer"]
    assert found["memory"] == pytest.approx(held, rel=0.01)
    assert re.search(rf"this machine .* {found['memory'] / 1e6:.0f} MB of", text)


def test_a_dry_run_reads_no_tokens(corpus, tmp_path, capsys):
    copied = tmp_path / "corpus"
    shutil.copytree(corpus, copied)
    for path in [*copied.glob("*.bin"), *copied.glob("*.npz")]:
        path.unlink()
    call_job(pretraining(corpus, tmp_path, "run", "dry_run=true"))
    whole = capsys.readouterr().out
    call_job(pretraining(copied, tmp_path, "run", "dry_run=true"))
    assert capsys.readouterr().out.partition("\non ")[0] == whole.partition("\non ")[0]


@pytest.mark.parametrize(("packing", "known"), [(cut, "counted"), (best_fit, "estimated: without the padding")])
def test_sketched_rows_equal_opened_rows(packing, known, corpus):
    data = PretrainingData(str(corpus), packing=partial(packing))
    tokenizer = load_tokenizer(str(corpus))
    sketched = data.sketch(tokenizer=tokenizer, context=32)
    assert sketched.basis.startswith(known)
    counted = {name: (len(rows), rows.counts.sum()) for name, rows in sketched.sources.items()}
    opened = data.open(tokenizer=tokenizer, context=32)
    found = {name: (len(rows), rows.counts.sum()) for name, rows in opened.sources.items()}
    assert counted.keys() == found.keys()
    for name in found:
        assert counted[name] == pytest.approx(found[name], rel=1e-9 if packing is cut else 0.1)


@pytest.mark.parametrize(
    "fault", ["budget.batch_tokens=250", "data.max_epochs=0.1", "data.path=nowhere", "data.max_epochs={novels: 1}"]
)
def test_a_dry_run_is_refused_with_the_message_of_the_run(fault, corpus, tmp_path, capsys):
    output = []
    for dry_run in ("true", "false"):
        with pytest.raises(SystemExit, match="2"):
            main(["pretrain", *of_seconds(corpus, tmp_path, "run", fault, f"dry_run={dry_run}")])
        output.append(capsys.readouterr().err)
    assert output[0] == output[1]
    assert output[0].count("\n") == 1


@pytest.mark.parametrize(
    "fault",
    [
        ["callbacks.checkpoints.monitor=validation/losss"],
        ["+callbacks.stop={_target_: lightning.pytorch.callbacks.EarlyStopping, monitor: bits}"],
        ["+callbacks.stop={_target_: lightning.pytorch.callbacks.EarlyStopping, monitor: loss}", "validations=0"],
        ["+callbacks.stop={_target_: lightning.pytorch.callbacks.EarlyStopping, monitor: a}", "data.validation_rows=0"],
        ["+callbacks.rate._target_=lightning.pytorch.callbacks.LearningRateFinder"],
    ],
)
def test_a_dry_run_refuses_the_callbacks_that_the_run_refuses(fault, corpus, tmp_path):
    messages = []
    for dry_run in ("true", "false"):
        with pytest.raises(ValueError, match="callbacks") as refusal:
            call_job(pretraining(corpus, tmp_path, "run", *fault, f"dry_run={dry_run}"))
        messages.append(str(refusal.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize("monitor", ["validation/loss", "validation/bits_per_byte/prose"])
def test_a_dry_run_accepts_the_metrics_that_the_run_has(monitor, corpus, tmp_path, capsys):
    call_job(pretraining(corpus, tmp_path, "run", f"callbacks.checkpoints.monitor={monitor}", "dry_run=true"))
    assert "on 1 × this machine" in capsys.readouterr().out


def test_the_time_here_is_that_of_steps_timed_on_the_model(corpus, tmp_path, capsys, monkeypatch):
    def paced(module, rows, plan, trainer, **how):
        seen.append((module.model.training, rows.sources["code"].row(3).tokens.shape, plan.accumulate, how))
        return Pace(step=0.5, validation=2.0)

    seen = []
    monkeypatch.setattr("lm.training.dry_timing.measure_pace", paced)
    monkeypatch.setattr("lm.training.dry_timing.LONGEST", 1e9)  # on however slow a machine
    random = torch.random.get_rng_state()
    call_job(pretraining(corpus, tmp_path, "run", "dry_run=true", "budget.steps=100"))
    assert torch.equal(torch.random.get_rng_state(), random)
    text = capsys.readouterr().out
    assert re.search(r"on 1 × this machine +56 s .*; 100 steps of 0.5 s, 3 validations of 2 s, timed here\n", text)
    assert [each[:3] for each in seen] == [(True, (32,), 4)]
    config = pretraining(corpus, tmp_path, "run", "dry_run=true")
    call_job(config | {"budget": {**config["budget"], "steps": None, "minutes": 2}})
    assert re.search(r"steps +228 ", capsys.readouterr().out)  # in 120 s less 3 × 2 s
    assert list(tmp_path.iterdir()) == []


def test_a_step_is_timed_on_random_rows_and_writes_nothing(corpus, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("lm.training.dry_timing.LONGEST", 1e9)
    call_job(pretraining(corpus, tmp_path, "run", "dry_run=true"))
    assert re.search(
        r"on 1 × this machine .*; 12 steps of \S+ s, 3 validations of \S+ s, timed", capsys.readouterr().out
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (["compute.compile=true"], "compute.compile is not timed here"),
        (["budget.rows_per_device=1024", "budget.batch_tokens=32768"], "a step is too large to time it here"),
    ],
)
def test_where_no_step_is_timed_the_speed_is_assumed_and_why(overrides, reason, corpus, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("lm.training.dry_timing.LONGEST", 1e-9)
    call_job(pretraining(corpus, tmp_path, "run", "dry_run=true", *overrides))
    assert re.search(rf"on 1 × this machine .* × 0.5 assumed: {reason}\n", capsys.readouterr().out)


def test_cost_is_printed_only_where_a_price_is_given(corpus, tmp_path, capsys):
    call_job(pretraining(corpus, tmp_path, "run", "dry_run=true", "budget.steps=10000000000", "prices={H100: 2.0}"))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("on ")]
    assert [" to pay" in line for line in lines] == ["H100" in line for line in lines]
    with pytest.raises(ValueError, match=r"prices\.H1000: there is A100, H100, H200, and here"):
        call_job(pretraining(corpus, tmp_path, "run", "dry_run=true", "prices={H1000: 2.0}"))


def test_a_model_that_exceeds_the_memory_is_marked(corpus, tmp_path, capsys):
    large = ("model=base", "model.dim=12288", "model.layers=8", "model.attention.heads=96", "budget.batch_tokens=1024")
    call_job(
        pretraining(corpus, tmp_path, "run", "dry_run=true", *large, "model.context=32", "budget.rows_per_device=1")
    )
    lines = {line.split("×")[1].split()[0]: line for line in capsys.readouterr().out.splitlines() if "on 1" in line}
    assert "TOO MUCH" in lines["H100"]
    assert "TOO MUCH" in lines["H200"]


def test_a_dry_run_works_on_an_existing_run(corpus, pretrained, capsys):
    before = {path: path.read_bytes() for path in pretrained.rglob("*") if path.is_file()}
    config = json.loads((pretrained / "config.json").read_text())
    call_job({**config, "dry_run": True, "prices": {"here": 1.0}})
    assert "on 1 × this machine" in capsys.readouterr().out
    call_job({**config, "prices": {"here": 1.0}})
    assert "nothing to do" in capsys.readouterr().out
    assert before.keys() == {path for path in pretrained.rglob("*") if path.is_file()}


def test_a_dry_run_of_instruction_tuning_estimates_from_a_sample(pretrained, tmp_path, capsys):
    file = tmp_path / "conversations.jsonl"
    turns = [[{"role": "user", "content": f"say {n}"}, {"role": "assistant", "content": f"{n}"}] for n in range(600)]
    file.write_text("\n".join(json.dumps({"messages": each}) for each in turns))
    checkpoint = pretrained / "checkpoints" / "last.ckpt"
    data = ["data/conversations=messages", f"data.conversations.path={file}", "budget.batch_tokens=128"]
    root = [f"run.root={tmp_path}", f"model.path={pretrained}", "trainer=cpu", "compute=exact"]
    before = checkpoint.stat().st_atime_ns
    call_job(composed("instruct", *data, *root, "dry_run=true"))
    output = capsys.readouterr().out
    assert "estimated: all conversations counted, the first 256 encoded" in output
    assert float(values(output)["epochs of conversations"]) == pytest.approx(2.0, rel=0.05)
    assert checkpoint.stat().st_atime_ns == before
    rows = int(re.search(r"epochs of conversations .*?(\d+) rows", output)[1])
    call_job(composed("instruct", *data, *root, "show=1"))
    assert rows == pytest.approx(int(re.search(r"in (\d+) rows", capsys.readouterr().out)[1]), rel=0.1)


def test_this_machine_is_measured():
    machine = measure_machine("cpu", "32-true", seconds=0.05)
    assert 1e8 < machine.flops < 1e15
    assert machine.memory > 1e8
    assert "measured" in machine.source


def test_the_first_product_warms_up_and_does_not_count(monkeypatch):
    clock = [0.0]

    class Slow(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            if "matmul" in function.__name__:
                clock[0] += 0.01 if clock[0] else 5.0
            return function(*args, **(kwargs or {}))

    monkeypatch.setattr("lm.hardware.datasheets.perf_counter", lambda: clock[0])
    with Slow():
        machine = measure_machine("cpu", "32-true")
    assert machine.flops == pytest.approx(2 * 1024**3 / 0.01)
    assert clock[0] < 6.0


def test_a_datasheet_gives_the_number_of_the_precision():
    assert DATASHEETS["A100"].machine("A100", "bf16-mixed").flops == 312e12
    assert DATASHEETS["H100"].machine("H100", "32-true").flops == 67e12


def test_numbers_have_three_figures_and_a_unit():
    assert [scaled(number) for number in (0, 999, 1234, 45_600, 789e6, 1e21)] == [
        "0", "999", "1.23 k", "45.6 k", "789 M", "1000 E"
    ]  # fmt: skip
    assert scaled(1.5e9, "B") == "1.50 GB"
    assert [duration(seconds) for seconds in (0.123, 90, 7200, 1e6)] == ["0.12 s", "90 s", "2.0 h", "11.6 days"]
    assert aligned([Line("one", "1", "first"), Line(), Line("three", "300")]) == "one      1  first\n\nthree  300"
