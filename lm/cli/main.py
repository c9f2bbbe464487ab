"""The command `lm`: parsing, signals and exit codes. Hydra is imported only when a job runs."""

import json
import re
import signal
import sys
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from io import TextIOWrapper
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from lm.cli.completion import CONFIG_DIR, SCRIPTS, candidates
from lm.cli.explain import explain
from lm.cli.help import list_jobs, show_topic
from lm.cli.job_help import describe_job
from lm.cli.words import Words
from lm.config.advice import no_such_job
from lm.config.outline import config_directory, jobs, outline
from lm.config.short_form import compared, full_forms
from lm.process.command import carrying_out
from lm.process.distribution import version, with_local_commands
from lm.process.failure import INTERRUPTED, MISTAKE, report_failure
from lm.process.library_warnings import warnings_in_one_line
from lm.process.ranks import die_with_parent, is_first_process
from lm.process.signals import (
    SIGNALS,
    Interrupted,
    can_catch_signals,
    ends_process,
    exit_code,
    interruption_behind,
    on_signal,
    print_last_words,
    unwinding,
)
from lm.sweep import Outcome, ranking, summary_table, write_summary
from lm.sweep.job import CONSOLE, run_job_file

if TYPE_CHECKING:
    from lm.config.composition import Composition


HELP = re.compile(r"(--help|-h|help)(=|$)")  # of a job; what follows = is a part of it


class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message}; see lm --help and lm JOB --help")


def main(arguments: Sequence[str] | None = None, *, directory: Path | None = None) -> int:
    """Run the command line and return the exit code; `directory` is that of the YAML."""
    arguments = sys.argv[1:] if arguments is None else [*arguments]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal with fewer characters is no reason to fail
    caught = [number for number in SIGNALS if ends_process(number)] if can_catch_signals() else []
    before = {number: signal.getsignal(number) for number in caught}
    try:
        for number in before:
            signal.signal(number, on_signal)
        with warnings_in_one_line(), carrying_out(["lm", *arguments]):
            code = _dispatch(arguments, directory or config_directory())
        sys.stdout.flush()  # here, where a closed pipe is still handled
        return code
    except (KeyboardInterrupt, Interrupted) as interruption:
        return _end_interrupted(interruption, arguments)
    except Exception as error:
        interruption = interruption_behind(error)
        return _end_interrupted(interruption, arguments) if interruption else report_failure(error)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_interrupted(interruption: BaseException, arguments: Sequence[str]) -> int:
    """Print the state and how to resume, and return the exit code."""
    saved = isinstance(interruption, Interrupted)
    print_last_words(interruption.message if saved else "interrupted", arguments)
    return exit_code(interruption.signal_number) if saved else INTERRUPTED


def _dispatch(arguments: list[str], directory: Path) -> int:
    match arguments:
        case ["--complete", *words]:
            for each in candidates(words, directory):
                print(each)
            return 0
        case ["_rank", config, launcher]:
            from lm.cli.call import call_job

            die_with_parent(int(launcher))
            call_job(json.loads(Path(config).read_bytes()))
            return 0
        case ["_job", file, launcher]:
            from lm.cli.call import run_sweep_job

            die_with_parent(int(launcher))
            return run_job_file(Path(file), run_sweep_job)
        case ["--version"]:
            print(f"lm {version()}")
            return 0
    arguments = compared(arguments)
    parser, places = _parser(), _places(arguments, directory)
    known = jobs(places)
    faults: list[str] = []
    asks = arguments and arguments[0] in known and any(HELP.match(word) for word in arguments[1:])
    if asks:
        rest = [after for word in arguments[1:] if (after := HELP.sub("", word))]
        arguments = [arguments[0], *full_forms(rest, outline(arguments[0], places).groups)]
    elif arguments and arguments[0] in known:
        typed = full_forms(arguments[1:], outline(arguments[0], places).groups)
        words = Words(arguments[0], typed, places, flags=[*parser._option_string_actions])
        arguments, faults = [arguments[0], *words.mended], words.faults
    options = parser.parse_intermixed_args(arguments)
    if options.config_dir and not options.config_dir.is_dir():
        raise ValueError(f"--config-dir={options.config_dir}: no such directory")
    if options.completion:
        print(SCRIPTS[options.completion].strip())
    elif not options.words:
        print(with_local_commands(list_jobs(places)))
    elif options.words[0] == "help" and "help" not in known:
        print(with_local_commands(show_topic(options.words[1:], places)))
    elif options.words[0] == "explain" and "explain" not in known:
        print(with_local_commands(explain(options.words[1:], directory, options.config_dir)))
    elif options.words[0] not in known:
        job, *rest = options.words
        raise ValueError(no_such_job(job, rest, known))
    elif asks or options.help:
        print(with_local_commands(describe_job(options.words[0], places, options.words[1:])))
    else:
        return _run(options, directory, faults)
    return 0


def _places(arguments: Sequence[str], directory: Path) -> list[Path]:
    """The directories of YAML: ours, and the user's own."""
    named = [Path(word) for flag, word in pairwise(arguments) if flag in CONFIG_DIR]
    return [directory, *(path for path in named if path.is_dir())]


def _parser() -> _Parser:
    parser = _Parser(prog="lm", add_help=False, allow_abbrev=False, argument_default=SUPPRESS)
    parser.set_defaults(help=False, multirun=False, config_dir=None, completion=None, cfg=None, package=None)
    parser.add_argument("words", nargs="*", default=[])
    parser.add_argument("--help", "-h", action="store_true")
    parser.add_argument("--multirun", "-m", action="store_true")
    parser.add_argument("--config-dir", "-cd", type=Path)
    parser.add_argument("--cfg", "-c", choices=("job", "hydra", "all"))
    parser.add_argument("--package", "-p")
    parser.add_argument("--resolve", action="store_true", default=False)
    parser.add_argument("--completion", choices=tuple(SCRIPTS))
    return parser


def _run(options: Namespace, directory: Path, misspelt: Sequence[str] = ()) -> int:
    """Run a job; `misspelt` are the faults of words that are no `key=value`."""
    from lm.cli.call import run_composed
    from lm.config.command import examine_command
    from lm.config.composition import Composition
    from lm.config.hydra_errors import COMPOSITION_ERRORS, one_line
    from lm.config.overrides import quoted_as_needed

    job, *overrides = options.words
    if options.cfg and options.multirun:
        raise ValueError("--cfg shows the config of one run: leave out -m, and give each key one value")
    composition = Composition(job, directory=directory, extra=options.config_dir)
    multirun = options.multirun
    overrides = [quoted_as_needed(composition, each, multirun=multirun, command=overrides) for each in overrides]
    faults: list[object] = []
    try:
        if options.cfg and not misspelt:
            composition.show(overrides, options.cfg, package=options.package, resolve=options.resolve)
            return 0
        node, faults = examine_command(composition, overrides, multirun=multirun)
        faults = [*misspelt, *faults]
        if not faults:
            with unwinding() if multirun else nullcontext():  # a sweep ends the jobs that it has started
                outcomes = composition.run(partial(run_composed, node=node), overrides, multirun=multirun)
            return _summary(composition, overrides, outcomes)
    except BrokenPipeError:
        raise  # an OSError, but of the pipe and not of a config file
    except COMPOSITION_ERRORS as error:
        _, faults = examine_command(composition, overrides, multirun=multirun)
        faults = faults or [one_line(error)]
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    if faults:
        print("nothing was run", file=sys.stderr)
    return MISTAKE if faults else 0


def _summary(composition: "Composition", overrides: list[str], outcomes: list[Outcome]) -> int:
    """Print the table of a sweep; return the exit code, that of the first job that failed."""
    failed = [each.code for each in outcomes if each.code]
    if outcomes and is_first_process():
        from lm.report.run import write_sweep_page

        directory, direction = composition.sweep(overrides)
        write_summary(directory, outcomes, direction=direction)
        write_sweep_page(directory, [each.directory for each in outcomes])
        CONSOLE.block(summary_table(outcomes, direction=direction))
        ranked = ranking(outcomes, direction=direction)
        CONSOLE.line(f"{len(outcomes)} jobs{ranked} → {directory}/summary.csv", before="\n")
    if failed:
        print(f"error: {len(failed)} of {len(outcomes)} jobs of the sweep failed, see above", file=sys.stderr)
    return failed[0] if failed else 0
