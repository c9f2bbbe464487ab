"""Plausible mistakes: each is refused with its key, and with a remedy that works when it is copied.

A row is the command as typed, how its error begins, and the command that the remedy leads to. The words of the latter
that were not typed must stand in the error, and the command must be accepted by every check before a job runs.
"""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.core.config_search_path import ConfigSearchPath

from lm.cli import call as calling
from lm.cli.main import main
from lm.config.composition import ConfigLoader
from lm.interchange import open_model

RUN = "outputs/pretrain/a"
MODEL = f"model.path={RUN}"

JOBS = """
train | there is no job train | pretrain
train model=tiny | there is no job train | pretrain model=tiny
training seed=1 | there is no job training | pretrain seed=1
sft {MODEL} | there is no job sft | instruct {MODEL}
finetune {MODEL} | there is no job finetune | instruct {MODEL}
fine-tune {MODEL} | there is no job fine-tune | instruct {MODEL}
dpo {MODEL} {PAIRS} | there is no job dpo | align objective=dpo {MODEL} {PAIRS}
rlhf {MODEL} {PAIRS} | there is no job rlhf | align {MODEL} {PAIRS}
grpo {MODEL} {SUMS} | there is no job grpo | align data=prompts objective=grpo {MODEL} {SUMS}
align {MODEL} {PAIRS} beta=0.2 | beta: unknown key | align {MODEL} {PAIRS} objective.formula.beta=0.2
align {MODEL} {POLICY} tools=[calculator,pyhton] | tools=[calculator,pyhton]: lm align has no group | {TOOLS}
align {MODEL} {POLICY} tools=pyhton | tools=pyhton: lm align has no group | align {MODEL} {POLICY} {WITH}=python
align {MODEL} {POLICY} {WITH}=[calculator,pyhton] | {WITH}=[calculator,pyhton]: no such option: pyhton | {TOOLS}
align {MODEL} {POLICY} {WITH}=pyhton | {WITH}=pyhton: no such option | align {MODEL} {POLICY} {WITH}=python
{RL} objective.tools=python | objective.tools: expected mapping | {RL} {WITH}=python
{RL} {PART}.a=length | {PART}.a=length: lm align has no such | {RL} +{PART}.a=length
{RL} +{PART}.answer=length | +{PART}.answer=length: is chosen | {RL} {PART}.answer=length
{RL} ++{PART}.answer=length | ++{PART}.answer=length: an | {RL} {PART}.answer=length
{RL} ++{PART}.a=length | ++{PART}.a=length: an option | {RL} +{PART}.a=length
{RL} {REWARD}.parts.a=length | {REWARD}.parts.a: expected | {RL} +{PART}.a=length
{RL} {REWARD}.parts=length | {REWARD}.parts: expected | {RL} +{PART}.length=length
{RL} {REWARD}=length | {REWARD}: expected RewardSum | {RL} {PART}.answer=length
{RL} {REWARD}.weights.answer=2 | {REWARD}.weights.answer: is not | {RL} +{REWARD}.weights.answer=2
{RL} {REWARD}.weights={answer:2} | {REWARD}.weights: is not | {RL} '++{REWARD}.weights={answer:2}'
{RL} objective.kl=loss | objective.kl: expected | {RL} objective/kl=loss
chat {MODEL} tools=[python,calculatr] | tools=[python,calculatr]: no | chat {MODEL} tools=[python,calculator]
align {MODEL} dataset=p.jsonl | dataset: unknown | align {MODEL} {PAIRS}
lora {MODEL} | there is no job lora | instruct model/adapter=lora {MODEL}
qlora {MODEL} | there is no job qlora | instruct model/quantise=nf4 model/adapter=lora {MODEL}
eval {MODEL} | there is no job eval | evaluate {MODEL}
test {MODEL} | there is no job test | evaluate {MODEL}
benchmark {MODEL} | there is no job benchmark | evaluate {MODEL}
preprocess | there is no job preprocess | corpus
tokenize | there is no job tokenize | corpus
prepare corpus=text corpus.path=my.txt | there is no job prepare | corpus corpus=text corpus.path=my.txt
convert {MODEL} | there is no job convert | export {MODEL}
gguf {MODEL} | there is no job gguf | export {MODEL}
inference {MODEL} | there is no job inference | generate {MODEL}
predict {MODEL} | there is no job predict | generate {MODEL}
sample {MODEL} prompt=hi | there is no job sample | generate {MODEL} prompt=hi
talk {MODEL} | there is no job talk | chat {MODEL}
run | there is no job run | pipeline
sweep | there is no job sweep | pretrain -m seed=0,1
config | there is no job config | pretrain --cfg job
version | there is no job version | --version
list | there is no job list | --help
init | there is no job init | help conf
pretrian | there is no job pretrian | pretrain
seed=1 | there is no job seed=1; the first word names a job | pretrain seed=1
"""
KEYS = """
pretrain lr=1e-3 | lr: unknown key | pretrain optimizer.learning_rate=1e-3
pretrain learning_rate=1e-3 | learning_rate: unknown key | pretrain optimizer.learning_rate=1e-3
pretrain learning-rate=1e-3 | learning-rate: unknown key | pretrain optimizer.learning_rate=1e-3
pretrain optimizer.lr=1e-3 | optimizer.lr: unknown key | pretrain optimizer.learning_rate=1e-3
pretrain +lr=1e-3 | lr: unknown key | pretrain optimizer.learning_rate=1e-3
pretrain epochs=3 | epochs: unknown key | pretrain budget=epochs budget.epochs=3
pretrain num_train_epochs=3 | num_train_epochs: unknown key | pretrain budget=epochs budget.epochs=3
pretrain max_epochs=3 | max_epochs: unknown key | pretrain budget=epochs budget.epochs=3
instruct {MODEL} epochs=3 | epochs: unknown key | instruct {MODEL} budget.epochs=3
pretrain max_steps=9 | max_steps: unknown key | pretrain budget=steps budget.steps=9
pretrain budget.steps=9 | budget.steps: is not in the YAML | pretrain budget=steps budget.steps=9
pretrain batch_size=8 | batch_size: unknown key | pretrain budget.batch_tokens=2048
pretrain model=nano batch_size=8 | batch_size: unknown key | pretrain model=nano budget.batch_tokens=512
pretrain seq_len=128 | seq_len: unknown key | pretrain model.context=128
pretrain block_size=128 | block_size: unknown key | pretrain model.context=128
pretrain n_layer=4 | n_layer: unknown key | pretrain model.layers=4
pretrain n_head=4 | n_head: unknown key | pretrain model.attention.heads=4
pretrain n_embd=128 | n_embd: unknown key | pretrain model.dim=128
pretrain hidden_size=128 | hidden_size: unknown key | pretrain model.dim=128
pretrain warmup_ratio=0.1 | warmup_ratio: unknown key | pretrain schedule.warmup=0.1
pretrain max_grad_norm=1.0 | max_grad_norm: unknown key | pretrain objective.gradient_clip=1.0
pretrain num_workers=2 | num_workers: unknown key | pretrain data.workers=2
pretrain precision=bf16 | precision: unknown key | pretrain compute.precision=bf16-mixed
pretrain trainer.precision=16 | trainer.precision: is not in the YAML | pretrain compute.precision=bf16-mixed
pretrain trainer.max_epochs=3 | trainer.max_epochs: is not in the YAML | pretrain budget=epochs budget.epochs=3
pretrain trainer.max_steps=9 | trainer.max_steps: is not in the YAML | pretrain budget=steps budget.steps=9
pretrain trainer.gpus=2 | trainer.gpus: unknown key | pretrain trainer=ddp trainer.devices=2
pretrain gpus=2 | gpus: unknown key | pretrain trainer=ddp trainer.devices=2
pretrain devices=2 | devices: unknown key | pretrain trainer.devices=2
pretrain device=cuda | device: unknown key | pretrain trainer=gpu
pretrain device=cpu | device: unknown key | pretrain trainer=cpu
pretrain strategy=fsdp | strategy: unknown key | pretrain trainer=fsdp
pretrain ckpt_path=x.ckpt | ckpt_path: unknown key | pretrain
pretrain resume=true | resume: unknown key | pretrain
pretrain resume_from_checkpoint=x | resume_from_checkpoint: unknown key | pretrain
pretrain gradient_accumulation_steps=4 | gradient_accumulation_steps: unknown key | pretrain
pretrain name=first | name: unknown key | pretrain run.name=first
pretrain run=first | run: expected Run, got 'first' | pretrain run.name=first
pretrain output_dir=out | output_dir: unknown key | pretrain run.root=out
pretrain overwrite=true | overwrite: unknown key | pretrain run.restart=true
pretrain wandb=true | wandb: unknown key | pretrain logger=wandb
pretrain Model=tiny | Model: unknown key | pretrain model=tiny
pretrain modle=tiny | modle: unknown key | pretrain model=tiny
pretrain model.hidden=64 | model.hidden: unknown key | pretrain model.feedforward.hidden=64
pretrain adapter=lora | adapter: unknown key | pretrain
pretrain {MODEL} | model.path: unknown key | pretrain model=checkpoint {MODEL}
instruct {MODEL} adapter=lora | adapter: unknown key | instruct {MODEL} model/adapter=lora
instruct {MODEL} lora_r=8 | lora_r: unknown key | instruct {MODEL} model/adapter=lora model.adapter.rank=8
instruct {MODEL} template=chatml | template: unknown key | instruct {MODEL} conversation@data.template=chatml
instruct {MODEL} dataset=c.jsonl | dataset: unknown | instruct {MODEL} {CHATS}
instruct {MODEL} data.path=c.jsonl | data.path: unknown | instruct {MODEL} {CHATS}
instruct {MODEL} data=c.jsonl | data=c.jsonl: no such option | instruct {MODEL} {CHATS}
instruct {MODEL} data.conversations=python | data.conversations: expected | instruct {MODEL} data/conversations=python
corpus path=my.txt | path: unknown key | corpus corpus=text corpus.path=my.txt
corpus corpus.path=my.txt | corpus.path: unknown key | corpus corpus=text corpus.path=my.txt
corpus corpus=my.jsonl | corpus=my.jsonl: no such option | corpus corpus=jsonl corpus.path=my.jsonl
corpus corpus.path=my.parquet | corpus.path: unknown key | corpus corpus=table corpus.path=my.parquet
corpus my.txt | my.txt: it has no = | corpus corpus=text corpus.path=my.txt
tokenizer dry_run=true | dry_run: unknown key | tokenizer
tokenizer vocab_size=1000 | vocab_size: unknown key | tokenizer tokenizer.vocab_size=1000
generate {MODEL} temperature=0.5 | temperature: unknown key | generate {MODEL} sampling.temperature=0.5
generate {MODEL} top_k=5 | top_k: unknown key | generate {MODEL} sampling.top_k=5
generate {MODEL} max_new_tokens=5 | max_new_tokens: unknown key | generate {MODEL} max_tokens=5
generate {MODEL} message=hi | message: unknown key | generate {MODEL} prompt=hi
chat {MODEL} prompt=hi | prompt: unknown key | chat {MODEL} message=hi
chat model={RUN} | model={RUN}: lm chat has no group model | chat {MODEL}
instruct model={RUN} | model={RUN}: no such option | instruct {MODEL}
evaluate {RUN} | {RUN}: it has no = | evaluate {MODEL}
pretrain fast_dev_run=true | fast_dev_run: unknown key | pretrain debug=fast
pipeline lr=1e-3 | lr: unknown key | pipeline pretrain.optimizer.learning_rate=1e-3
pretrain model=nano model/block=post | model/block=post: lm pretrain has no | pretrain model=nano +model/block=post
pipeline model=small | model=small: lm pipeline has no group model | pipeline model@pretrain.model=small
pipeline tokenizer=bytes | tokenizer=bytes: lm pipeline has no group | pipeline tokenizer@tokenizer.tokenizer=bytes
pipeline corpus=python | corpus=python: lm pipeline has no group | pipeline corpus@corpus.corpus=python
"""
OWN = """
pipeline my.txt | my.txt: it has no = | pipeline text=my.txt
pipeline books | books: it has no = | pipeline text=books
pipeline c.jsonl | c.jsonl: it has no = | pipeline conversations=c.jsonl
pipeline data=my.txt | data=my.txt: lm pipeline has no group data | pipeline text=my.txt
pipeline corpus=my.txt | corpus=my.txt: lm pipeline has no group corpus | pipeline text=my.txt
pipeline dataset=my.txt | dataset: unknown key | pipeline text=my.txt
pipeline path=my.txt | path: unknown key | pipeline text=my.txt
pipeline data.path=my.txt | data.path: unknown key | pipeline text=my.txt
pipeline corpus.path=my.txt | corpus.path: unknown key | pipeline text=my.txt
pipeline txt=my.txt | txt: unknown key | pipeline text=my.txt
pipeline --text my.txt | --text my.txt: a setting has no dashes | pipeline text=my.txt
pipeline text my.txt | text my.txt: it has no = | pipeline text=my.txt
pipeline text=My Book.txt | the blank in text=My Book.txt ends the text | pipeline 'text=My Book.txt'
pipeline text=my.txt chats=c.jsonl | chats: unknown key | pipeline text=my.txt conversations=c.jsonl
pipeline text=my.txt chat=c.jsonl | chat: expected a factory | pipeline text=my.txt conversations=c.jsonl
pipeline text=my.txt messages=c.jsonl | messages: unknown key | pipeline text=my.txt conversations=c.jsonl
pipeline conversation=c.jsonl | conversation=c.jsonl: lm pipeline has no group | pipeline conversations=c.jsonl
pipeline run.name=first | run.name: unknown key | pipeline name=first
pipeline time=10 | time: unknown key | pipeline minutes=10
pipeline budget=minutes | budget=minutes: lm pipeline has no group budget | pipeline minutes=10
tokenizer text=my.txt | text: unknown key | tokenizer corpus=text corpus.path=my.txt
corpus text=my.txt | text: unknown key | corpus corpus=text corpus.path=my.txt
instruct {MODEL} conversations=c.jsonl | conversations: unknown key | instruct {MODEL} {CHATS}
"""
OTHER_JOBS = """
generate model=tiny {MODEL} | model=tiny: lm generate has no group model | generate model.path=outputs/pretrain/default
generate {MODEL} n=3 | n: unknown key | generate {MODEL} samples=3
chat {MODEL} temp=0 | temp: unknown key | chat {MODEL} sampling.temperature=0
evaluate {MODEL} tasks=mmlu | tasks: unknown key | evaluate {MODEL} evaluation=mmlu evaluation.path=mmlu
evaluate {MODEL} evaluations=answers | evaluations: expected | evaluate {MODEL} evaluation@evaluations=answers
evaluate {MODEL} batch_size=8 | batch_size: unknown key | evaluate {MODEL}
serve {MODEL} api_key=secret | api_key: unknown key | serve {MODEL} key_file=key.txt
serve {MODEL} max_num_seqs=8 | max_num_seqs: unknown key | serve {MODEL} slots=8
serve {MODEL} bind=0.0.0.0 | bind: unknown key | serve {MODEL} host=127.0.0.1
serve {MODEL} prefix_caching=true | prefix_caching: unknown key | serve {MODEL} prefixes=true
serve {MODEL} models=[outputs/a] | models: unknown key | serve {MODEL} beside=outputs/pretrain/default
evaluate {MODEL} limit=100 | limit: unknown key | evaluate {MODEL} {ANSWERS} evaluations.answers.max_questions=100
consolidate {RUN} | {RUN}: it has no = | consolidate path={RUN}
scaling depths=4 | depths: expected list of int | scaling depths=[4]
scaling depth=[1,2] | depth: unknown key | scaling depths=[1,2]
scaling sizes=[1,2] | sizes: unknown key | scaling depths=[1,2]
vocabulary corpus=my.txt | corpus=my.txt: no such option | vocabulary corpus=text corpus.path=my.txt
vocabulary text=my.txt | text: unknown key | vocabulary corpus=text corpus.path=my.txt
vocabulary families=[unigram] | families: expected parts by name | vocabulary +tokenizer@families.unigram=unigram
bootstrap {LOCAL} n=9 | n: unknown key | bootstrap {LOCAL} tasks=9
bootstrap {LOCAL} count=9 | count: unknown key | bootstrap {LOCAL} tasks=9
bootstrap {LOCAL} endpoint=http://localhost/v1 | endpoint: unknown | bootstrap path=s.jsonl {REMOTE}
bootstrap {LOCAL} url=http://localhost/v1 | url: unknown | bootstrap path=s.jsonl {REMOTE}
curate conversations=c.jsonl | conversations: expected | curate data/conversations@conversations=auto {PATH}
curate {PATH} n=100 | n: unknown key | curate {PATH} keep=100
curate {PATH} rules=lengths | rules: expected mapping | curate {PATH} rule@rules.lengths=lengths
curate {PATH} rules=[language] | rules: expected parts by name | curate {PATH} +rule@rules.language=language
curate c.jsonl | c.jsonl: it has no = | curate {PATH}
curate path=c.jsonl | path: unknown key | curate {PATH}
curate data=c.jsonl | data=c.jsonl: lm curate has no group data | curate {PATH}
tokenizer type=unigram | type: unknown key | tokenizer tokenizer=unigram
tokenizer model=unigram | model=unigram: lm tokenizer has no group model | tokenizer tokenizer=unigram
tokenizer data=my.txt | data=my.txt: lm tokenizer has no group data | tokenizer corpus=text corpus.path=my.txt
pretrain tokenizer=gpt2 | tokenizer=gpt2: lm pretrain has no group tokenizer | pretrain
"""
VALUES = """
pretrain logger=none | logger=none: no such option | pretrain logger=null
pretrain logger=False | logger=False: no such option | pretrain logger=null
pretrain experiment=none | experiment=none: no such option | pretrain experiment=null
pretrain schedule=none | schedule=none: no such option | pretrain schedule=constant
pretrain model=Tiny | model=Tiny: no such option | pretrain model=tiny
pretrain model=tiny.yaml | model=tiny.yaml: no such option | pretrain model=tiny
pretrain model=conf/model/tiny.yaml | model=conf/model/tiny.yaml: no such option | pretrain model=tiny
pretrain model={RUN} | model={RUN}: no such option | pretrain model=checkpoint {MODEL}
pretrain optimizer=adam | optimizer=adam: no such option | pretrain optimizer=adamw
pretrain compute.precision=bf16 | compute.precision: expected | pretrain compute.precision=bf16-mixed
pretrain budget.tokens=1M | budget.tokens: expected int | pretrain budget.tokens=1000000
pretrain budget.tokens=2.5k | budget.tokens: expected int | pretrain budget.tokens=2500
pretrain dry_run=yes | dry_run: expected true or false | pretrain dry_run=true
pretrain optimizer.learning_rate=0,001 | optimizer.learning_rate=0,001: a comma | pretrain optimizer.learning_rate=0.001
pretrain budget.tokens=1,000,000 | budget.tokens=1,000,000: a comma | pretrain budget.tokens=1000000
pretrain model.dim=64,128 | model.dim=64,128: has several values: add -m | pretrain -m model.dim=64,128
"""
WORDS = """
pretrain model.dim = 128 | model.dim = 128: there are blanks around = | pretrain model.dim=128
pretrain model.dim= 128 | model.dim= 128: there is a blank after = | pretrain model.dim=128
pretrain model.dim =128 | model.dim =128: there are blanks around = | pretrain model.dim=128
pretrain seed 1 | seed 1: it has no = | pretrain seed=1
pretrain seed:1 | seed:1: it has no = | pretrain seed=1
pretrain seed | seed: it has no = | pretrain seed=0
pretrain dry_run | dry_run: it has no = | pretrain dry_run=true
pretrain model/tiny | model/tiny: it has no = | pretrain model=tiny
pretrain --lr 1e-3 | --lr 1e-3: a setting has no dashes | pretrain optimizer.learning_rate=1e-3
pretrain --lr=1e-3 | --lr=1e-3: a setting has no dashes | pretrain optimizer.learning_rate=1e-3
pretrain --seed 3 | --seed 3: a setting has no dashes | pretrain seed=3
pretrain --model small | --model small: a setting has no dashes | pretrain model=small
pretrain --dry-run | --dry-run: a setting has no dashes | pretrain dry_run=true
pretrain --resume | --resume: a setting has no dashes | pretrain
pretrain –m seed=1,2 | –m: – is not a sign of the keyboard | pretrain -m seed=1,2
pretrain —multirun seed=1,2 | —multirun: — is not a sign of the keyboard | pretrain --multirun seed=1,2
pretrain seed＝1 | seed＝1: ＝ is not a sign of the keyboard | pretrain seed=1
pretrain run.name=“a” | run.name=“a”: “ is not a sign of the keyboard | pretrain run.name=a
pretrain 'seed=1 model.dim=128' | seed=1 model.dim=128: these are two words | pretrain seed=1 model.dim=128
pretrain '"model.dim=128"' | "model.dim=128": leave out the quotes | pretrain model.dim=128
generate {MODEL} prompt=Hi, you | the blank in prompt=Hi, you ends the text | generate {MODEL} 'prompt=Hi, you'
"""


def rows(table: str) -> list[tuple[str, str, str]]:
    filled = table.replace("{TOOLS}", "align {MODEL} {POLICY} {WITH}=[calculator,python]")
    filled = filled.replace("{RL}", "align {MODEL} {POLICY}")
    filled = filled.replace("{PART}", "reward@{REWARD}.parts").replace("{REWARD}", "objective.reward")
    filled = filled.replace("{POLICY}", "{SUMS} data=prompts objective=grpo").replace("{WITH}", "tools@objective.tools")
    filled = filled.replace("{MODEL}", MODEL).replace("{RUN}", RUN)
    filled = filled.replace("{PAIRS}", "data.preferences.path=p.jsonl").replace(
        "{SUMS}", "data.conversations.path=c.jsonl"
    )
    filled = filled.replace("{CHATS}", "data/conversations=auto data.conversations.path=c.jsonl")
    filled = filled.replace("{ANSWERS}", "evaluation@evaluations=answers").replace(
        "{PATH}", "conversations.path=c.jsonl"
    )
    filled = filled.replace("{LOCAL}", f"path=s.jsonl rounds.writer.{MODEL}")
    filled = filled.replace("{REMOTE}", "writer@rounds.writer=endpoint rounds.writer.base_url=http://localhost/v1")
    return [tuple(part.strip() for part in line.split(" | ")) for line in filled.strip().splitlines()]


TABLE = [row for table in (JOBS, KEYS, OWN, OTHER_JOBS, VALUES, WORDS) for row in rows(table)]
Composed = tuple[dict, dict]
Ran = Callable[[str], tuple[int, str, str]]


@pytest.fixture(scope="module")
def composed() -> Composed:
    """What Hydra has composed, and the files it has read, shared by all commands."""
    return {}, {}


@pytest.fixture
def lm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], composed: tuple[dict, dict]
) -> Ran:
    """`lm …` in this process, up to the call of the job, in a directory with a run and a text."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / RUN / "checkpoints").mkdir(parents=True)
    (tmp_path / "my.txt").write_text("text")
    (tmp_path / "books").mkdir()
    monkeypatch.setattr(calling, "call_job", lambda node, changes=None: 0.0)

    create = ConfigLoader.__init__

    def shared(loader: ConfigLoader, search_path: ConfigSearchPath) -> None:
        create(loader, search_path)
        if not any("my" in str(each.path).split("/") for each in search_path.get_path()):
            loader._composed, loader._repositories = composed

    monkeypatch.setattr(ConfigLoader, "__init__", shared)

    def command(line: str) -> tuple[int, str, str]:
        try:
            code = main(shlex.split(line))
        except SystemExit as end:
            code = end.code
        return code, *capsys.readouterr()

    return command


def test_the_table_is_long_enough() -> None:
    assert len({typed for typed, _, _ in TABLE}) >= 100


@pytest.mark.parametrize(("typed", "begins", "meant"), TABLE, ids=[typed for typed, _, _ in TABLE])
def test_a_mistake_names_the_key_and_a_remedy_that_works(typed: str, begins: str, meant: str, lm: Ran) -> None:
    code, _, err = lm(typed)
    first, *others = err.splitlines()
    assert code == 2
    assert first.startswith(f"error: {begins}")
    assert [each for each in others if each != "nothing was run"] == []  # one fault, one line
    new = [word for word in shlex.split(meant) if word not in shlex.split(typed)]
    assert [word for word in new if word.partition("=")[0 if "did you mean" in first else 2] not in first] == []
    assert [word for word in new if word not in first and "did you mean" not in first] == []
    if not new:
        assert re.search("leave it out|leave out", first)
    code, _, err = lm(meant)
    assert (code, err) == (0, "")


@pytest.mark.parametrize("job", ["publish", "upload", "resume"])
def test_what_is_not_built_says_so_and_what_comes_nearest(job: str, lm: Ran) -> None:
    code, _, err = lm(job)
    assert code == 2
    assert re.match(rf"error: there is no job {job}; (.* not built; .*|the command that started a run resumes it)", err)


def test_independent_faults_are_told_together(lm: Ran) -> None:
    code, _, err = lm("pretrain modle=tiny --lr 1e-3 seed=-1 trainer.devces=2 model.dim = x logger=none budget.steps=9")
    keys = [line.removeprefix("error: ").split(":")[0] for line in err.splitlines()]
    assert {*keys} == {
        "modle", "--lr 1e-3", "seed", "trainer.devces", "model.dim = x", "model.dim", "logger=none", "budget.steps",
        "nothing was run",
    }  # fmt: skip
    assert code == 2


@pytest.mark.parametrize(
    "line", ["run.name=1", "run.name=1e3", "run.name=true", "run.name=a/b", "~logger", "~callbacks"]
)
def test_what_is_no_mistake_is_accepted(line: str, lm: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    monkeypatch.setattr(calling, "call_job", lambda node, changes=None: called.append(node))
    code, _, err = lm(f"pretrain {line}")
    assert (code, err) == (0, "")
    key, _, value = line.partition("=")
    if value:
        assert called[0]["run"]["name"] == value
    else:
        assert called[0].get(key[1:]) is None


TO_CORPUS = ["pretrain my.txt", "pretrain text=my.txt", "pretrain data=my.txt", "pretrain dataset=my.txt"]


@pytest.mark.parametrize("line", TO_CORPUS)
def test_a_text_must_first_become_a_corpus(line: str, lm: Ran) -> None:
    code, _, err = lm(line)
    assert code == 2
    assert "pretraining reads a corpus of tokens, not my.txt" in err
    assert "lm tokenizer and lm corpus make one, each with corpus=own corpus.path=my.txt" in err
    for meant in ("pipeline text=my.txt", "corpus corpus=own corpus.path=my.txt"):
        assert f"{meant.partition(' ')[2]}" in err
        assert lm(meant)[::2] == (0, "")


@pytest.mark.parametrize("job", ["chat", "generate", "evaluate", "instruct"])
def test_a_missing_run_is_answered_with_one_that_is_there(job: str, lm: Ran) -> None:
    jobs = "lm instruct or lm align" if job == "chat" else "lm pretrain, lm instruct or lm align"
    usual = "outputs/instruct/default" if job == "chat" else "outputs/pretrain/default"
    assert f"set model.path=…, a run of {jobs}, such as {usual}\n" in lm(job)[2]
    Path(RUN, "manifest.json").touch()
    assert f"such as {usual if job == 'chat' else RUN}\n" in lm(job)[2]


@pytest.mark.parametrize("job", ["chat", "align"])
def test_where_a_tuned_run_is_wanted_no_pretrained_one_is_named(job: str, lm: Ran) -> None:
    tuned = Path("outputs/instruct/b/manifest.json")
    tuned.parent.mkdir(parents=True)
    tuned.touch()
    Path(RUN, "manifest.json").touch()  # newer
    assert "such as outputs/instruct/b\n" in lm(job)[2]


def test_what_a_pipeline_cannot_plan_is_said_with_what_can(lm: Ran) -> None:
    code, _, err = lm("pipeline dry_run=true")
    assert code == 2
    assert "minutes=10 sets the length" in err
    assert "lm pretrain dry_run=true" in err


def test_a_value_that_stages_share_is_refused_once(lm: Ran) -> None:
    code, _, err = lm("pipeline seed=-1 trust=3")
    assert code == 2
    assert err.splitlines() == [
        "error: seed: expected int, at least 0, got -1",
        "error: trust: expected list of str or null, got 3; write trust=[3]",
        "nothing was run",
    ]


@pytest.mark.parametrize("flag", ["--config x.yaml", "-c x.yaml", "--config-name x"])
def test_a_file_of_settings_is_an_experiment_of_the_users_own(flag: str, lm: Ran) -> None:
    code, _, err = lm(f"pretrain {flag}")
    assert code == 2
    assert "move it to my/experiment/x.yaml" in err
    assert "--config-dir my experiment=x" in err
    Path("my/experiment").mkdir(parents=True)
    Path("my/experiment/x.yaml").write_text("# @package _global_\nseed: 3\n")
    assert lm("pretrain --config-dir my experiment=x")[::2] == (0, "")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("gpt2", "of the Hugging Face hub, write model.path=hub:gpt2"),
        ("HuggingFaceTB/SmolLM-135M", "write model.path=hub:HuggingFaceTB/SmolLM-135M"),
        ("outputs/pretrain/other", "does not exist: model.path names the directory of a run"),
        (f"{RUN}/checkpoints/best.ckpt", f"lies inside a run: write model.path={RUN} model.which=best"),
        (f"{RUN}/checkpoints", f"lies inside a run: write model.path={RUN}"),
        ("hub", "hub/config.json names no architecture"),
        ("hub/model.safetensors", "a published model is the folder of its files: write model.path=hub"),
        ("my.txt", "model.path=my.txt is no run of lm"),
    ],
)
def test_what_is_no_run_is_refused_by_what_it_is(path: str, message: str, lm: Ran) -> None:
    Path("hub").mkdir()
    Path("hub/config.json").write_text("{}")
    Path("hub/model.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match=re.escape(message)):
        open_model(path)
    assert open_model(RUN).origin == Path(RUN)
