"""Tokens a second of 16 clients and of one, ours beside transformers and llama.cpp: `serving.py [ROUNDS [THREADS]]`.

The same random weights (6 layers, 384 wide, Llama) in fp32, the same threads, greedy, prompts of 32 tokens of different
texts, 32 new tokens each. Sides alternate in one process. llama.cpp is asked through its HTTP server, as it is used;
its keys are in f32. It also prints the steps until a first token where a prompt of 900 tokens is read at the same time.

    seconds, cpu   of all clients together, medians; other processes slow the first, not much the second
"""

import json
import queue
import random
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median

import torch

from lm.generation import Sampling
from lm.interchange import Published
from lm.interchange.gguf import GGUF
from lm.interchange.huggingface import HuggingFace
from lm.model import Attention, SwiGLU, Transformer
from lm.serve import Engine, Request
from lm.tokenizer import Tokenizer, exported_files, train_bpe

PROMPT, NEW, CLIENTS, CONTEXT = 32, 32, 16, 1024
LM = Path(__file__).parents[2] / "lm"


def build(tokenizer: Tokenizer) -> Transformer:
    torch.manual_seed(0)
    model = Transformer(
        vocab_size=tokenizer.vocab_size,
        context=CONTEXT,
        dim=384,
        layers=6,
        norm=partial(torch.nn.RMSNorm, eps=1e-6),
        attention=partial(Attention, heads=6),
        feedforward=partial(SwiGLU, hidden=1024),
    )
    with torch.no_grad():  # far from its initial weights, so that the most likely token is far ahead of the next
        for weight in model.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    return model.eval()


def publish(model: Transformer, tokenizer: Tokenizer, directory: Path) -> None:
    published = Published(
        outline=model,
        build=lambda: model,
        unmerged=lambda: model,
        description={},
        tokenizer=tokenizer,
        ends=tokenizer.ends,
        opens=True,
        chat_template=lambda: None,
        files=lambda: exported_files(tokenizer, context=CONTEXT),
    )
    for name, format_ in {"hf": HuggingFace(), "gguf": GGUF(kind="f32")}.items():
        (directory / name).mkdir()
        format_.write(directory / name, published)


def with_engine(engine: Engine, sampling: Sampling, prompts: list[list[int]]) -> list[list[int]]:
    """Continue all prompts at once by the engine."""
    tokens: list[list[int]] = [[] for _ in prompts]
    ended: queue.Queue[None] = queue.Queue()

    def receiver(row: int) -> Callable:
        def deliver(update) -> None:
            tokens[row] += update.tokens
            if update.reason:
                ended.put(None)

        return deliver

    for row, prompt in enumerate(prompts):
        request = Request(prompt=prompt, sampling=sampling, max_tokens=NEW, stop_tokens=[], seed=row)
        engine.submit(request, receiver(row))
    for _ in prompts:
        ended.get()
    return tokens


def with_transformers(folder: Path) -> Callable[[list[list[int]]], list[list[int]]]:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def run(prompts: list[list[int]]) -> list[list[int]]:
        given = torch.tensor(prompts)
        options = {"max_new_tokens": NEW, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
        with torch.inference_mode():
            found = model.generate(given, attention_mask=torch.ones_like(given), **options)
        return found[:, PROMPT:].tolist()

    return run


def with_llama_cpp(file: Path, threads: int) -> Callable[[list[list[int]]], list[list[int]]]:
    import xllamacpp

    settings = xllamacpp.CommonParams()
    settings.model.path = str(file)
    settings.n_parallel, settings.n_gpu_layers, settings.verbosity = CLIENTS, 0, -1
    settings.n_ctx = CLIENTS * 256
    settings.warmup = settings.ui = settings.fit_params = False
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = threads
    settings.n_threads_http = CLIENTS
    settings.cache_type_k = settings.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    server = xllamacpp.Server(settings)
    options = {"n_predict": NEW, "temperature": 0, "samplers": ["temperature"], "cache_prompt": False}

    def ask(prompt: list[int]) -> list[int]:
        body = json.dumps({"prompt": prompt, "ignore_eos": True, "return_tokens": True, **options}).encode()
        request = urllib.request.Request(
            server.listening_address + "/completion", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)["tokens"]

    def run(prompts: list[list[int]]) -> list[list[int]]:
        with ThreadPoolExecutor(len(prompts)) as pool:
            return [*pool.map(ask, prompts)]

    return run


def first_tokens(model: Transformer, tokenizer: Tokenizer, prompts: list[list[int]]) -> list[int]:
    """Steps until the first token of short prompts that come while others write and a long one is read."""
    engine = Engine(model, tokenizer, slots=CLIENTS)
    waits: list[int] = []

    def submit(prompt: list[int], new: int) -> None:
        begun, seen = engine.counters().steps, []

        def deliver(update) -> None:
            if not seen and update.tokens:
                seen.append(None)
                waits.append(engine.counters().steps - begun + 1)

        engine.submit(Request(prompt=prompt, sampling=Sampling(temperature=0), max_tokens=new, stop_tokens=[]), deliver)

    for prompt in prompts[:8]:
        submit(prompt, 30)
    engine.step()
    waits.clear()
    submit((prompts[0] * 40)[:900], 2)
    for prompt in prompts[8:15]:
        submit([*reversed(prompt)], 5)
    while engine.counters().running or engine.counters().waiting:
        engine.step()
    return waits


def show(side: str, taken: dict[tuple[str, int], list[tuple[float, float]]], *, same: int) -> None:
    """Print the row of a side: medians, and medians of ratios within a round."""
    for clients in (1, CLIENTS):
        wall, cpu = (median(each) for each in zip(*taken[side, clients], strict=True))
        pairs = zip(taken[side, clients], taken["lm serve", clients], strict=True)
        ratio = median(theirs / ours for (_, theirs), (_, ours) in pairs)
        speed = f"{NEW * clients / wall:6.0f} tokens/s, {1000 * cpu / NEW:6.2f} ms cpu a step"
        print(f"{side:15} {clients:3} clients {wall:6.2f} s, {speed}, {ratio:5.2f} × ours")
    pairs = [*zip(taken[side, 1], taken[side, CLIENTS], strict=True)]
    walls, cpus = (median(CLIENTS * one[kind] / many[kind] for one, many in pairs) for kind in (0, 1))
    print(f"{side:15} throughput of {CLIENTS} / 1: {walls:.1f} ×, by cpu {cpus:.1f} ×; {same} texts as ours")


def main(rounds: int = 5, threads: int = 1) -> None:
    torch.set_num_threads(threads)
    texts = [path.read_text() for path in sorted(LM.rglob("*.py"))]
    tokenizer = train_bpe(texts, vocab_size=4096)
    model = build(tokenizer)
    draw = random.Random(0)
    ids = tokenizer.encode("".join(texts))
    starts = [draw.randrange(len(ids) - PROMPT) for _ in range(CLIENTS)]
    prompts = [ids[start : start + PROMPT] for start in starts]
    with tempfile.TemporaryDirectory() as name:
        publish(model, tokenizer, Path(name))
        engine = Engine(model, tokenizer, slots=CLIENTS, prefixes=False)
        engine.start()
        drawn = Sampling(temperature=0.8, top_p=0.95)
        sides = {
            "lm serve": partial(with_engine, engine, Sampling(temperature=0)),
            "lm serve, drawn": partial(with_engine, engine, drawn),
            "transformers": with_transformers(Path(name) / "hf"),
            "llama.cpp": with_llama_cpp(next((Path(name) / "gguf").glob("*.gguf")), threads),
        }
        taken: dict[tuple[str, int], list[tuple[float, float]]] = {}
        for _ in range(rounds):
            found = {}
            for side, run in sides.items():
                for clients in (1, CLIENTS):
                    wall, cpu = time.perf_counter(), time.process_time()
                    tokens = run(prompts[:clients])
                    taken.setdefault((side, clients), []).append(
                        (time.perf_counter() - wall, time.process_time() - cpu)
                    )
                    found[side] = tokens
                    print(f"{side} {clients}: {taken[side, clients][-1]}", file=sys.stderr, flush=True)
        engine.close()
        print(f"{sum(each.numel() for each in model.parameters()) / 1e6:.1f} M parameters, {threads} thread(s)")
        for side in sides:
            show(side, taken, same=sum(a == b for a, b in zip(found[side], found["lm serve"], strict=True)))
        print("steps until a first token beside a prompt of 900:", first_tokens(model, tokenizer, prompts))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
