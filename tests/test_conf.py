"""Every job × every option of every group of ours composes, and fits the signatures it calls."""

import re
from functools import cache
from itertools import chain

import pytest

from lm.config.command import faults_of
from lm.config.outline import config_directory, headline, jobs, options, outline
from support.compositions import composition

CONF = config_directory()
PLACES = [CONF]
# Keys that a person must set; everything else has a value.
MUST_BE_GIVEN = re.compile(
    r"((?:files\.\w+|[\w.]*\b(?:path|base_url|vocabulary|merges|partition|function|pattern|runs))): missing: set \1=…"
    r"|tokenizer\.path: \${..data.path} cannot be resolved"
)
# The ladder needs a model with a size, which a trained run does not name, and sets groups beside that of the model.
NOT_HERE = re.compile(
    r"has no depth and dim, which|model/ladder also chooses an option of optimizer"
    r"|pretrain\.budget\.batch_tokens: expected int"  # scaling plans in tokens
)
# Stages of a pipeline read what earlier ones made: their groups are not free.
FIXED = {
    ("instruct", "model"),  # a run
    ("align", "model"),
    ("pipeline", "model@instruct.model"),
    ("curate", "model@instruct.model"),
    ("pipeline", "data@pretrain.data"),
    ("pipeline", "data@instruct.data"),
    ("pipeline", "evaluation@evaluate_answers.evaluations"),
    ("pipeline", "model@alignment.model"),
    ("pipeline", "data@alignment.data"),
    ("pipeline", "objective@alignment.objective"),  # with its reward; stage/align@alignment chooses both
    ("curate", "data@instruct.data"),  # it learns from the conversations that were chosen, as they were written
    ("curate", "data/conversations@instruct.data.conversations"),
}


@cache
def groups_of(job: str) -> dict[str, str | None]:
    """The groups of a job as it is, and the option of each."""
    return outline(job, PLACES).groups


@cache
def combinations() -> list[tuple[str, tuple[str, ...]]]:
    """Each job as it is, and with each option of each of its groups; what only comes with an option, in one job."""
    found: dict[tuple[str, tuple[str, ...]], None] = {}
    within: set[tuple[str, str]] = set()
    for job in jobs(PLACES):
        found[job, ()] = None
        for named, current in groups_of(job).items():
            for option in options(named.partition("@")[0], PLACES):
                chosen = (f"{named}={option}",)
                if current is not None and option != current and (job, named) not in FIXED:
                    found[job, chosen] = None
                    # the stages of a study are jobs, whose groups are tested there
                    if (group := named.partition("@")[0], option) not in within and (job, group) != (
                        "study",
                        "experiment",
                    ):
                        within.add((group, option))
                        found |= {(job, (*chosen, inner)): None for inner in _within(job, named, option)}
    return list(found)


def _within(job: str, named: str, option: str) -> list[str]:
    """The options of the groups that only come with this option."""
    before, after = groups_of(job), outline(job, PLACES, {named: option}).groups
    new = {name: current for name, current in after.items() if name not in before and current is not None}
    groups = {name: name.partition("@")[0] for name in new}
    inner = (
        (name, each)
        for name, group in groups.items()
        if group != "filter"  # any of which fits any place: tested below
        for each in options(group, PLACES)
    )
    return [f"{name}={each}" for name, each in inner if new[name] != each]


@pytest.mark.parametrize(("job", "chosen"), combinations(), ids=lambda value: " ".join(value) or "-")
def test_every_job_with_every_option_composes_and_fits_its_signatures(job: str, chosen: tuple[str, ...]) -> None:
    faults = faults_of(composition(job), list(chosen), multirun=False)
    messages = [fault for fault in map(str, faults) if not MUST_BE_GIVEN.search(fault)]
    odd = any(
        word in " ".join(chosen) for word in ("ladder", "model=checkpoint", "model=huggingface", "budget=prompts")
    )
    assert [fault for fault in messages if not (odd and NOT_HERE.search(fault))] == []


@pytest.mark.parametrize("option", options("filter", PLACES))
def test_every_filter_fits_a_funnel(option: str) -> None:
    chosen = ["corpus=funnel", "+corpus@corpus.sources.x=python", f"+filter@corpus.filters.x={option}"]
    messages = [*map(str, faults_of(composition("corpus"), chosen, multirun=False))]
    assert [
        fault for fault in messages if not re.fullmatch(r"(corpus\.filters\.x\.\S+): missing: set \1=…", fault)
    ] == []
    typo = faults_of(composition("corpus"), [*chosen, "+corpus.filters.x.nonsense=1"], multirun=False)
    assert any("corpus.filters.x.nonsense" in str(fault) for fault in typo)


@pytest.mark.parametrize(("job", "given"), [("pretrain", ()), ("instruct", ("model.path=x",))])
@pytest.mark.parametrize("option", options("data/mixture", PLACES))
def test_every_mixture_fits_both_data_modules_and_a_stage(job: str, given: tuple[str, ...], option: str) -> None:
    late = (
        "data/mixture=stages",
        "data.mixture.stages.early.weights={}",
        f"data/mixture@data.mixture.stages.late={option}",
    )
    for chosen in ((f"data/mixture={option}",), late):
        messages = [*map(str, faults_of(composition(job), [*given, *chosen], multirun=False))]
        assert [
            fault for fault in messages if not re.fullmatch(r"([\w.]+\.(?:weights|max_size)): missing: set \1=…", fault)
        ] == []


@pytest.mark.parametrize("family", ["bpe", "wordpiece", "unigram", "characters"])
@pytest.mark.parametrize("option", options("tokenizer/normalizer", PLACES))
def test_every_normalizer_fits_every_family(family: str, option: str) -> None:
    chosen = [f"tokenizer={family}", f"tokenizer/normalizer={option}"]
    assert faults_of(composition("tokenizer"), chosen, multirun=False) == []


def test_the_combinations_are_all_there() -> None:
    found = combinations()
    assert {job for job, _ in found} == set(jobs(PLACES))
    for expected in ("model=small", "trainer=ddp", "corpus=jsonl", "logger=wandb", "data/conversations=sharegpt"):
        assert any(expected in chosen for chosen in chain.from_iterable(chosen for _, chosen in found)), expected


def test_every_yaml_has_a_first_line_with_its_purpose() -> None:
    for path in CONF.rglob("*.yaml"):
        assert len(headline(path)) > 10, path


@pytest.mark.parametrize("job", jobs(PLACES))
def test_help_shows_the_options_that_hydra_composes(job: str) -> None:
    composed = composition(job).compose([]).hydra.runtime.choices
    assert groups_of(job) == {name: option for name, option in composed.items() if not name.startswith("hydra/")}


POLICY = "data=prompts objective=grpo"


@pytest.mark.parametrize(
    ("job", "override", "meant"),
    [
        ("pretrain", "modle=tiny", "modle"),
        ("pretrain", "model=tinny", "did you mean tiny?"),
        ("pretrain", "model.layer=3", "did you mean layers?"),
        ("pretrain", "model.attention.head=3", "did you mean heads?"),
        ("pretrain", "model=lader", "did you mean ladder?"),
        ("pretrain", "model=ladder model.depht=6", "model.depht: unknown key of lm.model.rung; did you mean depth?"),
        ("pretrain", "optimizer.lr=1", "optimizer.lr: unknown key of lm.optimizer.muon"),
        ("pretrain", "optimizer.learningrate=1", "write optimizer.learning_rate=1"),
        ("pretrain", "budget.batchtokens=1", "did you mean batch_tokens?"),
        ("pretrain", "trainer.device=2", "did you mean devices?"),
        ("pretrain", "trainer.strategy=ddp2 trainer.acelerator=cpu", "did you mean accelerator?"),
        ("pretrain", "seed=one", "seed: expected int, at least 0, got 'one'"),
        ("pretrain", "compute.precision=bf17", "compute.precision: expected"),
        ("pretrain", "model.norm._target_=torch.nn.RMSNrom", "did you mean torch.nn.RMSNorm?"),
        ("pretrain", "data.packing._target_=lm.data.packing.bestfit", "did you mean lm.data.packing.best_fit?"),
        ("pretrain", "seed=-1", "seed: expected int, at least 0, got -1"),
        (
            "pretrain",
            "objective.gradient_clip=0",
            "objective.gradient_clip: expected float, more than 0 or null, got 0",
        ),
        ("pretrain", "schedule.warmup=2", "schedule.warmup: expected float, at least 0, at most 1, got 2"),
        ("pretrain", "optimizer.betas=[2,3]", "optimizer.betas: expected list of float, at least 0, less than 1"),
        ("pretrain", "compute.threads=0", "compute.threads: expected int, at least 1 or auto, got 0"),
        ("pretrain", "callbacks.metrics.every=0", "callbacks.metrics.every: expected int, at least 1, got 0"),
        ("pretrain", "data.workers=-1", "data.workers: expected int, at least 0, got -1"),
        ("pretrain", "data/mixture=wieghts", "did you mean weights?"),
        ("align", "objective.formula.beta=0", "objective.formula.beta: expected float, more than 0, got 0"),
        ("align", "objective=kto objective.beta=-1", "objective.beta: expected float, more than 0, got -1"),
        ("align", f"{POLICY} objective.clipping.low=1", "objective.clipping.low: expected float, at least 0, less"),
        ("align", f"{POLICY} objective.clipping.high=0", "objective.clipping.high: expected float, more than 0, got 0"),
        ("align", f"{POLICY} objective/clipping=cispo objective.clipping.largest=0", "largest: expected float, more"),
        ("align", f"{POLICY} objective/kl=loss objective.kl.coefficient=0", "objective.kl.coefficient: expected float"),
        ("align", f"{POLICY} objective.group_size=0", "objective.group_size: expected int, at least 1, got 0"),
        (
            "pretrain",
            "data/mixture=weights data.mixture.weights={code:-1}",
            "data.mixture.weights: expected mapping of str to float, at least 0, got {'code': -1}",
        ),
        (
            "pretrain",
            "data/mixture=temperature data.mixture.temperature=0",
            "data.mixture.temperature: expected float, more than 0, got 0",
        ),
        ("pretrain", "data.excess=spread", "data.excess: expected refuse or redistribute, got 'spread'"),
        ("instruct", "model.path=x data.mixture_unit=conversations", "data.mixture_unit: expected tokens or examples"),
        ("evaluate", "model.path=x evaluations=answers", "evaluations: expected mapping of str to Evaluation"),
        ("tokenizer", "tokenizer.vocab=1", "write tokenizer.vocab_size=1"),
        ("corpus", "corpus=txt", "did you mean text?"),
        ("instruct", "data.to_long=drop model.path=x", "did you mean too_long?"),
        (
            "instruct",
            "data.too_long=shorten model.path=x",
            "data.too_long: expected refuse or drop or split or truncate",
        ),
        ("chat", "model.paths=x model.path=x", "did you mean path?"),
        ("generate", "sampling.top_n=3 model.path=x", "did you mean top_p?"),
        ("pipeline", "instruct.data.conversations.max_charcters=3", "did you mean max_characters?"),
    ],
)
def test_typos_in_the_real_jobs_are_refused_with_a_suggestion(job: str, override: str, meant: str) -> None:
    faults = [*map(str, faults_of(composition(job), override.split(), multirun=False))]
    assert any(meant in fault for fault in faults), faults
