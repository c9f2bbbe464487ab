"""Training runs of random settings, one after another in one group of ranks, for the tests that nothing hangs."""

import json
import multiprocessing
import os
import random
import socket
import traceback
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

from support.training_runs import composed, make_corpus

SIZES = (3, 9, 30, 120)  # documents of a corpus


def corpora(directory: Path) -> list[Path]:
    return [make_corpus(directory / f"of-{count}", count=count, share=0.2) for count in SIZES]


def drawn(draw: random.Random, corpora: Sequence[Path], root: Path, name: str) -> tuple[int, dict]:
    """How many ranks, and the plain config of a run of a few steps."""
    ranks = draw.choice([1, 2, 2, 3])
    context, rows = draw.choice([8, 16, 48]), draw.choice([1, 2, 3])
    batch = ranks * rows * context * draw.choice([1, 2, 3])
    length = draw.choice(["steps", "tokens", "epochs"])
    amount = {"steps": draw.randint(1, 5), "tokens": draw.randint(1, 5 * batch), "epochs": draw.choice([0.1, 0.5])}
    corpus = draw.choice(corpora)
    mixtures = (
        [],
        ["data/mixture=weights", "data.mixture.weights={code: 1, prose: 3}"],
        [
            "data/mixture=stages",
            "data.mixture.stages.early.weights={code: 1, prose: 9}",
            "data.mixture.stages.late.weights={code: 2, prose: 1}",
            f"data.mixture.until.early={draw.choice([0.3, 0.5])}",
        ],
    )
    # of a single step no stage has its share; which is refused, and not what this is about
    short = amount[length] < {"steps": 2, "tokens": 2 * batch, "epochs": 0.5}[length]
    longest = corpus != corpora[-1] or length != "epochs"
    overrides = [
        f"run.root={root}",
        f"run.name={name}",
        f"data.path={corpus}",
        "model=nano",
        "model.dim=8",
        "model.layers=1",
        "model.attention.heads=2",
        f"model.context={context}",
        f"budget={length}",
        f"budget.{length}={amount[length] if longest else 0.02}",
        f"budget.batch_tokens={batch}",
        f"budget.rows_per_device={draw.choice([rows, 'auto'])}",
        "compute=exact",
        "compute.threads=1",
        f"callbacks={draw.choice(['quiet', 'quiet', 'default'])}",
        f"callbacks.checkpoints.every={draw.choice([1, 3])}",
        f"validations={draw.choice([0, 1, 3])}",
        f"data.validation_rows={draw.choice([0, 1, 5, 256])}",
        f"data.packing._target_=lm.data.packing.{draw.choice(['cut', 'best_fit'])}",
        f"data.separate_documents={str(draw.random() < 0.5).lower()}",
        f"data.workers={int(draw.random() < 0.1)}",
        f"seed={draw.randint(0, 9)}",
        "trainer=cpu" if ranks == 1 else "trainer=ddp",
        "trainer.accelerator=cpu",
        f"trainer.devices={ranks}",
        *draw.choice([mixtures[0], *mixtures[: 2 if short else 3]] if corpus != corpora[0] else [[]]),
    ]
    return ranks, composed("pretrain", *overrides)


def finish(configs: Sequence[Path], environment: dict[str, str], output: Path) -> None:
    """As one rank of a group: run every config and write its end to a file, up to the first error."""
    import torch

    from lm.cli.call import call_job

    os.environ.update(environment)
    torch.set_num_threads(1)
    try:
        if environment:
            torch.distributed.init_process_group("gloo")
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
            for config in configs:
                end = "complete"
                try:
                    call_job(json.loads(config.read_bytes()))
                except ValueError as error:  # as of a stage without a step
                    end = f"refused: {error}"
                config.with_suffix(f".{environment.get('RANK', 0)}.end").write_text(end)
    except BaseException:
        output.write_text(f"{configs}: {traceback.format_exc()}")
        os._exit(1)


def start_ranks(configs: Sequence[Sequence[Path]], directory: Path) -> list[multiprocessing.Process]:
    """The processes of one group, each of which does its runs."""
    ranks = len(configs)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(ranks), "NODE_RANK": "0"}
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["lm.jobs.train"])
    started = []
    for rank in range(ranks):
        environment = group | {"LOCAL_RANK": str(rank), "RANK": str(rank)} if ranks > 1 else {}
        output = directory / f"failed-{ranks}-{rank}.txt"
        started.append(processes.Process(target=finish, args=(configs[rank], environment, output)))
        started[-1].start()
    return started


def failures(directory: Path) -> str:
    """Errors of the ranks of a group that failed."""
    return "\n".join(file.read_text() for file in sorted(directory.glob("failed-*.txt")))
