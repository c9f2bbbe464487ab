"""`lm JOB [group=option] [key=value]`: the one command. Hydra is imported only when a job runs."""

import json
import re
import shlex
import signal
import sys
import threading
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Sequence
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from lm.cli.completion import SCRIPTS, candidates
from lm.cli.help import describe_job, list_jobs
from lm.config.faults import did_you_mean
from lm.config.outline import config_directory, jobs
from lm.process.failure import INTERRUPTED, MISTAKE, report_failure
from lm.process.ranks import end_with, is_first_process
from lm.run import Interrupted
from lm.sweep import Outcome, summary_table, write_summary
from lm.sweep.handed import carry_out_handed

if TYPE_CHECKING:
    from lm.config.composition import Composition

ENDING = (signal.SIGTERM, signal.SIGUSR1)  # and Ctrl-C; while training, a callback sees to them
RESTART = re.compile(r"\+*([\w.]+\.)?restart=")


class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message}; lm --help and lm JOB --help say what there is")


def main(arguments: Sequence[str] | None = None, *, directory: Path | None = None) -> int:
    """Do what the command line says and return the exit code; `directory` is where the YAML lies."""
    arguments = sys.argv[1:] if arguments is None else [*arguments]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows fewer characters is no reason to fail
    main_thread = threading.current_thread() is threading.main_thread()  # only there signals can be caught
    before = {number: signal.getsignal(number) for number in ENDING} if main_thread else {}
    try:
        for number in before:
            signal.signal(number, _end)
        code = _dispatch(arguments, directory or config_directory())
        sys.stdout.flush()  # while a reader that has gone can still be told from a bug
        return code
    except KeyboardInterrupt:
        _go_on("interrupted", arguments)
        return INTERRUPTED
    except Interrupted as interrupted:
        _go_on(interrupted.message, arguments)
        # another rank ends without a fault: whoever launched it would kill the first, which may still be at its books
        return 128 + interrupted.signal_number if is_first_process() else 0
    except Exception as error:
        return report_failure(error)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, frame: object) -> NoReturn:
    raise Interrupted(number, "interrupted")


def _go_on(what: str, arguments: list[str]) -> None:
    """Say how far it came, and what to type to go on: the same, but a restart would begin anew."""
    if arguments[:1] == ["_job"]:
        print(f"\n{what}", file=sys.stderr)
    elif is_first_process():
        again = [word for word in arguments if not RESTART.match(word)]
        which = "the same command goes on" if again == arguments else "without restart the command goes on"
        print(f"\n{what}; {which}: {shlex.join(['lm', *again])}", file=sys.stderr)


def _dispatch(arguments: list[str], directory: Path) -> int:
    match arguments:
        case ["--complete", *words]:
            for each in candidates(words, directory):
                print(each)
            return 0
        case ["_rank", config, launcher]:
            from lm.cli.call import call_job

            end_with(int(launcher))
            call_job(json.loads(Path(config).read_bytes()))
            return 0
        case ["_job", file, launcher]:
            from lm.cli.call import carry_out

            end_with(int(launcher))
            return carry_out_handed(Path(file), carry_out)
        case ["--version"]:
            print(f"lm {version('lm')}")
            return 0
    options = _parser().parse_intermixed_args(arguments)
    places = [directory, *([options.config_dir] if options.config_dir else [])]
    known = jobs(places)
    if options.words[:1] == ["help"] and "help" not in known:
        options.words, options.help = options.words[1:], True
    if options.config_dir and not options.config_dir.is_dir():
        raise ValueError(f"--config-dir={options.config_dir}: there is no such directory")
    if options.completion:
        print(SCRIPTS[options.completion].strip())
    elif not options.words:
        print(list_jobs(places))
    elif options.words[0] not in known:
        raise ValueError(f"there is no job {options.words[0]}{did_you_mean(options.words[0], known)}")
    elif options.help:
        print(describe_job(options.words[0], places))
    else:
        return _run(options, directory)
    return 0


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


def _run(options: Namespace, directory: Path) -> int:
    from lm.cli.call import run_one
    from lm.config.command import faults_of
    from lm.config.composition import Composition
    from lm.config.refusal import REFUSALS, refusal_in_words
    from lm.config.typed import readable

    job, *overrides = options.words
    if options.cfg and options.multirun:
        raise ValueError("--cfg shows the config of one run: leave out -m, and give each key one value")
    composition = Composition(job, directory=directory, extra=options.config_dir)
    overrides = [readable(composition, each, multirun=options.multirun, command=overrides) for each in overrides]
    faults = []
    try:
        if options.cfg:
            composition.show(overrides, options.cfg, package=options.package, resolve=options.resolve)
            return 0
        faults = faults_of(composition, overrides, multirun=options.multirun)
        if not faults:
            return _summary(composition, overrides, composition.run(run_one, overrides, multirun=options.multirun))
    except BrokenPipeError:
        raise  # no file of the config, but a reader that has gone
    except REFUSALS as error:
        faults = faults_of(composition, overrides, multirun=options.multirun) or [refusal_in_words(error)]
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    if faults:
        print("nothing was run", file=sys.stderr)
    return MISTAKE if faults else 0


def _summary(composition: "Composition", overrides: list[str], outcomes: list[Outcome]) -> int:
    """The table of a sweep, and the exit code: that of the first job that failed."""
    failed = [each.code for each in outcomes if each.code]
    if outcomes and is_first_process():
        directory, largest = composition.sweep(overrides)
        write_summary(directory, outcomes, largest=largest)
        print(f"\n{summary_table(outcomes, largest=largest)}")
        print(f"\nsweep       {len(outcomes)} jobs → {directory}/summary.csv")
    if failed:
        told = f"{len(failed)} of {len(outcomes)} jobs of the sweep failed, as told above"
        print(f"error: {told}", file=sys.stderr)
    return failed[0] if failed else 0
