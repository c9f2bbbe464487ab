"""Speed from raw text to tokens, our funnel and datatrove's steps: `python tests/benchmark/funnel.py web.jsonl`.

Both filter and deduplicate the same JSON Lines and write the tokens of one tokenizer, in interleaved rounds, each in
its own processes on as many cores as there are workers. The start of Python and its libraries counts, since a user
waits for it. datatrove (`pip install datatrove spacy orjson 'xxhash<4'`) has no step like Clean and downloads its
language model, so only our side runs those two. It splits words and sentences with spaCy.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, sleep

ROUNDS = 3
WORKERS = [1, 2]
VOCABULARY = 8192
TRAINED = 5  # every fifth text trains the tokenizer
PAGE, TICKS = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")


def main(path: str) -> None:
    """Print MB/s, CPU seconds and peak memory of all processes together, for each number of workers."""
    with TemporaryDirectory() as folder:
        size = prepare(Path(path), Path(folder)) / 1e6
        print(f"{size:.1f} MB, medians of {ROUNDS} rounds", flush=True)
        for workers in WORKERS:
            seconds, cores, memory, kept = {}, {}, {}, {}
            for turn in range(ROUNDS):
                for side in ("ours", "theirs"):
                    taken, used, peak, output = measured(side, folder, f"{side}-{workers}-{turn}", workers)
                    seconds.setdefault(side, []).append(taken)
                    cores.setdefault(side, []).append(used)
                    memory.setdefault(side, []).append(peak)
                    kept[side] = output
            for side, name in (("ours", "lm"), ("theirs", "datatrove")):
                taken = median(seconds[side])
                spread = f"{min(seconds[side]):.1f} to {max(seconds[side]):.1f}"
                print(
                    f"{workers} workers  {name:<10} {size / taken:7.2f} MB/s  {taken:7.1f} s ({spread}), "
                    f"{median(cores[side]):.1f} CPU s  {median(memory[side]) / 1e6:.0f} MB  {kept[side]}",
                    flush=True,
                )
            waited, worked = (median(each["theirs"]) / median(each["ours"]) for each in (seconds, cores))
            print(f"{workers} workers  ratio {waited:.1f}× in time, {worked:.1f}× in CPU time", flush=True)


def prepare(path: Path, folder: Path) -> int:
    """Train a tokenizer on a part, and deal the lines out to datatrove's tasks; return the bytes of text."""
    from lm.tokenizer import train_bpe

    lines = path.read_text(encoding="utf-8").strip("\n").split("\n")
    texts = [json.loads(line)["text"] for line in lines]
    train_bpe(texts[::TRAINED], vocab_size=VOCABULARY).save(folder / "tokenizer.json")
    for workers in WORKERS:
        (folder / f"given-{workers}").mkdir()
        for task in range(workers):
            dealt = "".join(f"{line}\n" for line in lines[task::workers])
            (folder / f"given-{workers}" / f"{task}.jsonl").write_text(dealt, encoding="utf-8")
    return sum(len(text.encode()) for text in texts)


def measured(side: str, folder: str, name: str, workers: int) -> tuple[float, float, int, str]:
    """Run one side; return seconds, CPU seconds, peak bytes of memory, and its last line."""
    cores = sorted(os.sched_getaffinity(0))[:workers]
    started, peak, spent = perf_counter(), 0, {}
    command = [sys.executable, __file__, "--run", side, folder, name, str(workers)]
    with open(Path(folder) / f"{name}.txt", "w+") as output, open(Path(folder) / f"{name}.log", "w+") as log:
        run = subprocess.Popen(
            command,
            stdout=output,
            stderr=log,
            env={**os.environ, "RAYON_NUM_THREADS": str(workers), "TOKENIZERS_PARALLELISM": "true"},
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        while run.poll() is None:
            peak = max(peak, watched(run.pid, spent))
            sleep(0.1)
        seconds = perf_counter() - started
        if run.returncode:
            sys.exit(f"{side} failed: {(Path(folder) / f'{name}.log').read_text()[-3000:]}")
        output.seek(0)
        return seconds, sum(spent.values()) / TICKS, peak, output.read().strip().splitlines()[-1]


def watched(root: int, spent: dict[int, int]) -> int:
    """Return the resident bytes of a process and its descendants; shared pages count for each.

    The CPU ticks of each are written to `spent`.
    """
    children: dict[int, list[int]] = {}
    resident: dict[int, tuple[int, int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # the process has ended
            children.setdefault(int(fields[1]), []).append(int(entry.name))
            resident[int(entry.name)] = PAGE * int(fields[21]), int(fields[11]) + int(fields[12])
    found, total = [root], 0
    for process in found:
        size, spent[process] = resident.get(process, (0, spent.get(process, 0)))
        total += size
        found += children.get(process, [])
    return total


def ours(folder: Path, name: str, workers: int) -> str:
    """Run the funnel, write the shards, and count documents and tokens."""
    from lm import filter
    from lm.corpus import Split, write_shards
    from lm.filtering import FilteredSource, LocalExecutor
    from lm.sources import JsonlSource
    from lm.tokenizer import load_tokenizer

    steps = [filter.Clean(), filter.Language(languages=["en"]), filter.GopherRepetition(), filter.GopherQuality()]
    steps += [filter.C4Quality(), filter.FineWebQuality(), filter.Duplicates(), filter.NearDuplicates()]
    filters = {type(step).__name__: step for step in steps}
    funnel = FilteredSource(
        {"web": JsonlSource(str(folder / f"given-{workers}" / "*.jsonl"))},
        filters=filters,
        directory=str(folder / name),
        executor=LocalExecutor(workers=workers),
    )
    tokenizer = load_tokenizer(folder / "tokenizer.json")
    write_shards(funnel, folder / name / "shards", tokenizer=tokenizer, split=Split(), shard_tokens=100_000_000)
    splits = json.loads((folder / name / "shards" / "corpus.json").read_text())["splits"]
    counted = [stream for split in splits.values() for stream in split.values()]
    documents, tokens = (sum(stream[what] for stream in counted) for what in ("documents", "tokens"))
    return f"kept {documents} documents, {tokens} tokens"


def theirs(folder: Path, name: str, workers: int) -> str:
    """Run the same steps with datatrove's local executor, its defaults, and one task per worker."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline import dedup, filters
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.tokens import DocumentTokenizer
    from datatrove.pipeline.writers import JsonlWriter

    from lm.tokenizer.tokenizer import END_OF_DOCUMENT

    made = folder / name

    def run(*steps: object, tasks: int = workers) -> None:
        run.number += 1
        logs = str(made / "logs" / str(run.number))
        LocalPipelineExecutor(list(steps), tasks=tasks, workers=min(tasks, workers), logging_dir=logs).run()

    run.number = 0
    given, judged, single = str(folder / f"given-{workers}"), str(made / "judged"), str(made / "single")
    hashes, copies, signs, buckets, near, tokens = (str(made / each) for each in ("a", "b", "c", "d", "e", "tokens"))
    exact, nearly = dedup.ExactDedupConfig(content_getter=text_of), dedup.MinhashConfig()
    run(
        JsonlReader(given),
        filters.GopherRepetitionFilter(),
        filters.GopherQualityFilter(),
        filters.C4QualityFilter(),
        filters.FineWebQualityFilter(),
        JsonlWriter(judged, compression=None),
        dedup.ExactDedupSignature(hashes, config=exact, finder_workers=workers),
    )
    run(dedup.ExactFindDedups(hashes, copies, config=exact))
    run(
        JsonlReader(judged),
        dedup.ExactDedupFilter(copies, config=exact),
        JsonlWriter(single, compression=None),
        dedup.MinhashDedupSignature(signs, config=nearly),
    )
    run(dedup.MinhashDedupBuckets(signs, buckets, config=nearly), tasks=nearly.num_buckets)
    run(dedup.MinhashDedupCluster(buckets, near, config=nearly), tasks=1)
    run(
        JsonlReader(single),
        dedup.MinhashDedupFilter(near),
        DocumentTokenizer(tokens, str(folder / "tokenizer.json"), eos_token=END_OF_DOCUMENT, shuffle_documents=False),
    )
    stats = json.loads((made / "logs" / str(run.number) / "stats.json").read_text())
    counted = stats[-1]["stats"]["tokens"]
    documents = sum(file.stat().st_size for file in Path(tokens).glob("*.index")) // 8
    return f"kept {documents} documents, {counted['total'] if isinstance(counted, dict) else counted} tokens"


def text_of(document) -> str:
    """The content that datatrove compares."""
    return document.text


if __name__ == "__main__":
    if sys.argv[1] == "--run":
        side, folder, name, workers = sys.argv[2:]
        print({"ours": ours, "theirs": theirs}[side](Path(folder), name, int(workers)))
    else:
        main(sys.argv[1])
