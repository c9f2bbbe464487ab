"""Serve models over HTTP, in the form of OpenAI's API, with a chat page."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Le

from lm.bounds import Count, Natural, NonNegative, Positive
from lm.conversation import Message, RecordedTemplate, Template, has_recorded_template
from lm.generation import Sampling
from lm.hub import local_folder
from lm.interchange import open_model
from lm.jobs.side_by_side import names_of
from lm.model import ModelSource
from lm.process.signals import Interrupted, forget_signals
from lm.progress import Console
from lm.serve.api import Access, Api, Limits, Models, Served
from lm.serve.api.measures import Measures
from lm.serve.api.server import Server, listen
from lm.serve.engine import Engine
from lm.tokenizer import Tokenizer, load_tokenizer

SHORTEST_KEY = 8  # characters


def serve(
    model: ModelSource,
    tokenizer: Tokenizer,
    sampling: Sampling,
    path: str,
    template: Template | None = None,
    beside: str | list[str] | None = None,
    host: str = "127.0.0.1",
    port: Annotated[int, Ge(0), Le(65535)] = 8000,
    key_variable: str | None = None,
    key_file: str | None = None,
    cors: Sequence[str] = (),
    slots: Count = 16,
    prefill_tokens: Count = 256,
    prefixes: bool = True,
    queue: Natural = 256,
    max_tokens: Count | None = None,
    max_choices: Count = 128,
    max_stops: Count = 16,
    max_body: Count = 4_000_000,
    timeout: Positive = 600.0,
    grace: NonNegative = 30.0,
    log: bool = True,
) -> None:
    """Serve models until the command is ended; Ctrl-C finishes what was begun.

    It needs pip install 'lightning-lm[serve]'. Nothing leaves the machine, and no text is written to the log.

    Args:
        model: Where the model comes from.
        tokenizer: The model's tokenizer.
        sampling: How tokens are chosen where a request does not say.
        path: Where the model comes from, as it is named: model.path.
        template: How turns are written as tokens; null takes the template that each model was tuned with.
        beside: Another run or folder, or a list of them, whose models are served too; a request names one by `model`.
        host: Address to listen at. 127.0.0.1 is this machine alone; 0.0.0.0 answers anyone who can connect.
        port: Port to listen at; 0 takes a free one.
        key_variable: Environment variable with the API key that clients must send; null for none.
        key_file: File with that key, in its first line; null for none.
        cors: Origins of other web pages that may ask, as [https://example.org]; none by default.
        slots: Texts that are generated at once; each holds keys and values of up to the context in memory.
        prefill_tokens: Tokens of prompts that a step reads at most: fewer lets those that are being answered wait
            less, more answers long prompts earlier.
        prefixes: Whether what several prompts begin with is read once. The texts are the same either way.
        queue: Texts that may wait for a slot; beyond it requests are answered with status 429.
        max_tokens: Most tokens of a text that a request may ask for; null for what the context holds.
        max_choices: Most texts of a request, its prompts times `n`.
        max_stops: Most strings that end a text, in a request.
        max_body: Most bytes of a request.
        timeout: Seconds in which a request must have arrived, and again in which it must be answered.
        grace: Seconds in which Ctrl-C lets requests finish; then they are broken off, in words.
        log: Whether each request prints a line: its route, status, model, tokens and time, and never its content.

    Raises:
        ValueError: The port is in use, the key is missing, or a model cannot be opened.
    """
    console = Console("serve")
    key = read_key(key_variable, key_file)
    listening = listen(host, port)  # before seconds are spent on the weights
    try:
        sources = [(path, model, tokenizer), *map(_opened, [beside] if isinstance(beside, str) else beside or [])]
        names = _names([each for each, _, _ in sources])
        options = {"slots": slots, "prefill_tokens": prefill_tokens, "prefixes": prefixes, "queue": queue}
        served = [
            _served(*source, name=name, template=template, sampling=sampling, options=options)
            for name, source in zip(names, sources, strict=True)
        ]
        limits = Limits(body=max_body, choices=max_choices, stops=max_stops, max_tokens=max_tokens, timeout=timeout)
        api = Api(Models(*served), limits=limits, measures=Measures(served))
        access = Access(host=host, key=key, origins=tuple(cors))
        said = console.line if log else _nothing
        server = Server(api, listening, access=access, log=said, warn=console.warn)
    except BaseException:
        listening.close()
        raise
    for each in served:
        each.engine.start()
    _introduce(console, server, served, key_variable=key_variable, key=key)
    _until_ended(console, server, served, grace=grace)


def _until_ended(console: Console, server: Server, served: Sequence[Served], *, grace: float) -> None:
    """Serve until a signal; then finish what was begun. A second signal ends the process at once."""
    try:
        server.start()
        server.wait()
    except (KeyboardInterrupt, Interrupted) as signal:
        forget_signals()
        if under_way := server.active:
            requests = f"{under_way} request{'s' * (under_way > 1)}"
            console.line(f"finishing {requests}, for at most {grace:g} s; Ctrl-C again ends at once")
        finished = server.close(seconds=grace)
        for each in served:
            each.engine.close(drain=False, seconds=0)
        console.line("ended" if finished else f"ended; requests longer than grace={grace:g} s were broken off")
        if isinstance(signal, Interrupted):
            raise


def _introduce(
    console: Console, server: Server, served: Sequence[Served], *, key_variable: str | None, key: str
) -> None:
    """Say where the server is, and what to type next."""
    for each in served:
        kind = "answers and continues" if each.template else "continues text; it was not tuned to answer"
        console.line(f"{each.name}: context {each.context:,}, {kind}")
    console.line(f"{server.url}/ → open it in a browser to chat; Ctrl-C ends the server")
    head = f' -H "Authorization: Bearer ${key_variable or "KEY"}"' if key else ""
    if served[0].template:
        route, body = "chat/completions", '{"messages": [{"role": "user", "content": "Who are you?"}]}'
    else:
        route, body = "completions", '{"prompt": "Once upon a time", "max_tokens": 50}'
    console.line(f"curl {server.url}/v1/{route}{head} -H 'Content-Type: application/json' -d '{body}'")
    if not server.is_local and not key:
        console.warn("note: anyone who can connect may use this server: set key_variable or key_file for an API key")


def read_key(variable: str | None, file: str | None) -> str:
    """Return the API key that clients must send; "" for none.

    Args:
        variable: Environment variable that holds it.
        file: File that holds it in its first line.

    Raises:
        ValueError: Both are given, or the key is missing, short, or no header can hold it.
    """
    if variable and file:
        raise ValueError("key_variable and key_file both name an API key: give one of them")
    if not (variable or file):
        return ""
    if variable:
        where, key = f"key_variable={variable}", os.environ.get(variable, "")
        remedy = f'export {variable}="$(openssl rand -hex 24)"'
    else:
        where, remedy = f"key_file={file}", f"openssl rand -hex 24 > {file}"
        try:
            key = next(iter(Path(file).expanduser().read_text(encoding="utf-8").splitlines()), "").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not text"
            raise ValueError(f"{where}: the file cannot be read ({reason}); make one by {remedy}") from None
    if not key:
        raise ValueError(f"{where} holds no API key; make one by {remedy}")
    if len(key) < SHORTEST_KEY or not all("!" <= character <= "~" for character in key):
        raise ValueError(
            f"{where}: an API key has at least {SHORTEST_KEY} characters, of ASCII and without blanks; make one by "
            f"{remedy}"
        )
    return key


def _opened(path: str) -> tuple[str, ModelSource, Tokenizer]:
    """A model at `beside`."""
    try:
        return path, open_model(path), load_tokenizer(path)
    except ValueError as error:
        raise ValueError(str(error).replace("model.path", "beside")) from error


def _names(paths: Sequence[str]) -> list[str]:
    """What requests call the models: the last two parts of runs, as instruct/default, or more to tell them apart."""
    for number, each in enumerate(paths):
        if Path(each).absolute() in map(Path.absolute, map(Path, paths[:number])):
            raise ValueError(f"beside={each} is served already: leave it out")
    short = ["/".join(Path(path).absolute().parts[-2:]) for path in paths]
    return short if len({*short}) == len({*paths}) else names_of(paths)


def _served(
    path: str,
    source: ModelSource,
    tokenizer: Tokenizer,
    *,
    name: str,
    template: Template | None,
    sampling: Sampling,
    options: dict,
) -> Served:
    folder = local_folder(path)
    known = RecordedTemplate(path).resolve(template) if template or has_recorded_template(folder) else None
    if known is not None:  # what it cannot write is an error now, and not at the first request
        known.stop_tokens(tokenizer), known.prompt([Message("user", "x")], tokenizer)
    network = source.build(vocab_size=tokenizer.vocab_size)
    return Served(
        name=name,
        path=path,
        engine=Engine(network, tokenizer, **options),
        tokenizer=tokenizer,
        template=known,
        sampling=sampling,
        context=network.context,
        vocab_size=network.vocab_size,
        fingerprint=next(iter(source.fingerprint().values()), ""),
    )


def _nothing(line: str) -> None:
    """Where no line is printed."""
