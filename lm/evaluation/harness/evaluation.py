"""Tasks of lm-evaluation-harness, run by the harness itself, over models of `lm`."""

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lm.bounds import Count, Natural
from lm.conversation import RecordedTemplate, Template
from lm.conversation.recorded_template import has_recorded_template
from lm.evaluation.evaluation import Evaluation
from lm.evaluation.harness.model import HarnessModel
from lm.evaluation.harness.results import harness_table, metrics_of, record_of
from lm.files import hash_file, hash_json
from lm.model import Transformer
from lm.process.distribution import install_command
from lm.tokenizer import Tokenizer

OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")
WORD = re.compile(r"[^\s'\"\[\]{},]+")  # which may be the path of a file


class Harness(Evaluation):
    """Run tasks of lm-evaluation-harness, with its rules, prompts and standard errors.

    It needs pip install 'lightning-lm[harness]'. Nothing is downloaded: the tasks are its own with data that lie in the
    cache, or those of YAML files in `include_path` over local files.

    Args:
        tasks: Names of its tasks or groups, as [hellaswag,arc_easy].
        include_path: Folder with tasks of your own; null for none.
        shots: Examples before each question; null takes each task's own number.
        max_items: Maximum number of items of each task, the first; null asks all.
        download: Whether data sets may be downloaded from the hub.
        unsafe_code: Whether tasks may run generated code, as HumanEval does there: without a sandbox.
        begin: Whether the token that begins a text stands in front of every prompt. The harness has
            it only where the prompt is empty, unless its model is told to.
        chat: Whether prompts are turns of a chat template. null: if the model was trained with one.
        template: The chat template; null takes the recorded one.
        recorded: The template that the model's run recorded.
        batch_tokens: Maximum number of tokens of a forward pass that scores; changes speed and memory.
        rows: Texts generated at once; changes speed and memory.
        seed: Seed of the draws, for tasks that sample.
    """

    def __init__(
        self,
        tasks: str | Sequence[str],
        *,
        include_path: str | None = None,
        shots: Natural | None = None,
        max_items: Count | None = None,
        download: bool = False,
        unsafe_code: bool = False,
        begin: bool = False,
        chat: bool | None = None,
        template: Template | None = None,
        recorded: RecordedTemplate | None = None,
        batch_tokens: Count = 4096,
        rows: Count = 32,
        seed: int = 0,
    ):
        self.tasks = [tasks] if isinstance(tasks, str) else [*tasks]
        if not self.tasks:
            raise ValueError("evaluation.tasks is empty: name tasks of lm-eval, as evaluation.tasks=[hellaswag]")
        if include_path is not None and not Path(include_path).expanduser().is_dir():
            raise ValueError(f"evaluation.include_path={include_path}: there is no such folder of task files")
        self.include_path = None if include_path is None else str(Path(include_path).expanduser())
        self.shots, self.max_items, self.download = shots, max_items, download
        self.unsafe_code, self.begin = unsafe_code, begin
        self.batch_tokens, self.rows, self.seed = batch_tokens, rows, seed
        recorded = recorded or RecordedTemplate(None)
        trained = recorded.file is not None and has_recorded_template(recorded.file.parent)
        self.template = recorded.resolve(template) if (trained if chat is None else chat) else None

    def fingerprint(self) -> str:
        chat = None if self.template is None else self.template.describe()
        return hash_json([harness_version(), self.tasks, _content(self.include_path), chat])

    def __call__(self, model: Transformer, tokenizer: Tokenizer) -> dict[str, Any]:
        """Return the metrics of each task with its standard error; `items` has every item."""
        adapter = HarnessModel(
            model,
            tokenizer,
            template=self.template,
            begin=self.begin,
            batch_tokens=self.batch_tokens,
            rows=self.rows,
            seed=self.seed,
        )
        with offline(not self.download):
            found = self._evaluated(adapter)
        counts = found.get("n-samples", {})
        shots = found.get("n-shot", {})
        samples = found.get("samples") or {}
        tasks = {
            name: {
                "metrics": metrics_of(scores, samples.get(name, [])),
                "items": counts.get(name, {}).get("effective"),
                "shots": shots.get(name),
                "version": found.get("versions", {}).get(name),
            }
            for name, scores in found["results"].items()
        }
        return {
            "lm_eval": harness_version(),
            "template": None if self.template is None else self.template.describe().get("_target_"),
            "spanning": adapter.spanning,
            "cut": adapter.cut,
            "tasks": tasks,
            "items": [record_of(name, each) for name, those in samples.items() for each in those],
        }

    def table(self, results: dict[str, Any]) -> str:
        return harness_table(results)

    def _evaluated(self, adapter: HarnessModel) -> Mapping[str, Any]:
        library, api, tasks = map(import_module, ("lm_eval", "lm_eval.api.model", "lm_eval.tasks"))  # seconds

        class Ours(HarnessModel, api.LM):  # the harness checks the class
            def __init__(self) -> None:
                api.LM.__init__(self)
                self.__dict__.update(adapter.__dict__)

        manager = tasks.TaskManager(include_path=self.include_path, include_defaults=False)
        if not {*self.tasks} <= {*manager.all_tasks}:
            manager = tasks.TaskManager(include_path=self.include_path)  # thousands of files, a few seconds
        if unknown := [name for name in self.tasks if not manager.match_tasks([name])]:
            raise ValueError(
                f"evaluation.tasks: lm-eval {harness_version()} has no task {unknown[0]}"
                + (f" and {self.include_path} none either" if self.include_path else "")
                + ": `lm-eval ls tasks` lists them"
            )
        ours = Ours()
        try:
            found = library.simple_evaluate(
                ours,
                tasks=self.tasks,
                num_fewshot=self.shots,
                limit=self.max_items,
                apply_chat_template=self.template is not None,
                task_manager=manager,
                confirm_run_unsafe_code=self.unsafe_code,
                bootstrap_iters=1000,
            )
        except (OSError, ConnectionError) as error:
            if self.download:
                raise
            raise ValueError(
                f"evaluation.tasks={self.tasks}: the data are not here ({str(error).splitlines()[0]}): set "
                "evaluation.download=true, or write a task over local files into evaluation.include_path"
            ) from error
        adapter.spanning, adapter.cut = ours.spanning, ours.cut
        return found


def harness_version() -> str:
    """Return the version of lm-eval.

    Raises:
        ValueError: It is not installed; with the command.
    """
    try:
        return version("lm-eval")
    except PackageNotFoundError:
        raise ValueError(
            f"evaluation=harness runs lm-evaluation-harness, which is not installed: {install_command('harness')}"
        ) from None


@contextmanager
def offline(wanted: bool) -> Iterator[None]:
    """Keep the libraries of the hub from using the network.

    Args:
        wanted: Whether to.
    """
    if not wanted:
        yield
        return
    before = {name: os.environ.get(name) for name in OFFLINE}
    os.environ |= dict.fromkeys(OFFLINE, "1")
    loaded = [sys.modules[name] for name in ("huggingface_hub.constants", "datasets.config") if name in sys.modules]
    were = [(module, module.HF_HUB_OFFLINE) for module in loaded if hasattr(module, "HF_HUB_OFFLINE")]
    for module, _ in were:
        module.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        for module, value in were:
            module.HF_HUB_OFFLINE = value
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _content(folder: str | None) -> dict[str, str]:
    """The hash of every file of a folder of tasks, and of the files that its YAML names."""
    if folder is None:
        return {}
    own = [file for file in sorted(Path(folder).rglob("*")) if file.is_file() and "__pycache__" not in file.parts]
    named: dict[str, Path] = {}
    for file in own:
        if file.suffix in (".yaml", ".yml"):
            for word in WORD.findall(file.read_text(encoding="utf-8", errors="replace")):
                if len(word) < 4096 and "." in word and Path(word).is_file():
                    named[word] = Path(word)
    content = {str(file.relative_to(folder)): hash_file(file) for file in own}
    return content | {f"named {number}": hash_file(named[word]) for number, word in enumerate(sorted(named))}
