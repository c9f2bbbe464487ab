"""How fast raw text becomes tokens: `python tests/benchmark/funnel.py web.jsonl`, our funnel and datatrove's steps.

Both judge and deduplicate the same JSON Lines and write tokens of one tokenizer, in interleaved rounds, each time in
processes of their own, on as many cores as there are workers. The start of Python and of its libraries counts, as it
does for who waits. datatrove (`pip install datatrove spacy orjson 'xxhash<4'`) has no step like Clean, and downloads
its model of languages: those two steps only we do. It takes words and sentences from spaCy.
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
TAUGHT = 5  # every fifth text is learned from
PAGE, TICKS = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")


def main(path: str) -> None:
    """Megabytes a second, work of cores and the most memory of all processes together, for each number of workers."""
    with TemporaryDirectory() as folder:
        size = prepare(Path(path), Path(folder)) / 1e6
        print(f"{size:.1f} MB, medians of {ROUNDS} rounds", flush=True)
        for workers in WORKERS:
            seconds, cores, memory, kept = {}, {}, {}, {}
            for turn in range(ROUNDS):
                for side in ("ours", "theirs"):
                    taken, used, peak, told = measured(side, folder, f"{side}-{workers}-{turn}", workers)
                    seconds.setdefault(side, []).append(taken)
                    cores.setdefault(side, []).append(used)
                    memory.setdefault(side, []).append(peak)
                    kept[side] = told
            for side, name in (("ours", "lm"), ("theirs", "datatrove")):
                taken = median(seconds[side])
                spread = f"{min(seconds[side]):.1f} to {max(seconds[side]):.1f}"
                print(
                    f"{workers} workers  {name:<10} {size / taken:7.2f} MB/s  {taken:7.1f} s ({spread}), "
                    f"{median(cores[side]):.1f} s of cores  {median(memory[side]) / 1e6:.0f} MB held  {kept[side]}",
                    flush=True,
                )
            waited, worked = (median(each["theirs"]) / median(each["ours"]) for each in (seconds, cores))
            print(f"{workers} workers  ratio {waited:.1f}× in time, {worked:.1f}× in work of cores", flush=True)


def prepare(path: Path, folder: Path) -> int:
    """The bytes of text in the file; a tokenizer made of a part, and the lines dealt out as datatrove's tasks read."""
    from lm.tokenizer import train_bpe

    lines = path.read_text(encoding="utf-8").strip("\n").split("\n")
    texts = [json.loads(line)["text"] for line in lines]
    train_bpe(texts[::TAUGHT], vocab_size=VOCABULARY).save(folder / "tokenizer.json")
    for workers in WORKERS:
        (folder / f"given-{workers}").mkdir()
        for task in range(workers):
            dealt = "".join(f"{line}\n" for line in lines[task::workers])
            (folder / f"given-{workers}" / f"{task}.jsonl").write_text(dealt, encoding="utf-8")
    return sum(len(text.encode()) for text in texts)


def measured(side: str, folder: str, name: str, workers: int) -> tuple[float, float, int, str]:
    """Seconds, seconds of a core, bytes of memory at the most, and what a run says of what it has kept."""
    cores = sorted(os.sched_getaffinity(0))[:workers]
    began, most, spent = perf_counter(), 0, {}
    command = [sys.executable, __file__, "--run", side, folder, name, str(workers)]
    with open(Path(folder) / f"{name}.txt", "w+") as told, open(Path(folder) / f"{name}.log", "w+") as log:
        run = subprocess.Popen(
            command,
            stdout=told,
            stderr=log,
            env={**os.environ, "RAYON_NUM_THREADS": str(workers), "TOKENIZERS_PARALLELISM": "true"},
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        while run.poll() is None:
            most = max(most, watched(run.pid, spent))
            sleep(0.1)
        seconds = perf_counter() - began
        if run.returncode:
            sys.exit(f"{side} failed: {(Path(folder) / f'{name}.log').read_text()[-3000:]}")
        told.seek(0)
        return seconds, sum(spent.values()) / TICKS, most, told.read().strip().splitlines()[-1]


def watched(root: int, spent: dict[int, int]) -> int:
    """Bytes that a process and all below it have in memory; what they share counts for each. `spent` gets the ticks of
    a core that each has used."""
    children: dict[int, list[int]] = {}
    resident: dict[int, tuple[int, int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has ended
            children.setdefault(int(fields[1]), []).append(int(entry.name))
            resident[int(entry.name)] = PAGE * int(fields[21]), int(fields[11]) + int(fields[12])
    found, total = [root], 0
    for process in found:
        size, spent[process] = resident.get(process, (0, spent.get(process, 0)))
        total += size
        found += children.get(process, [])
    return total


def ours(folder: Path, name: str, workers: int) -> str:
    """Run the funnel, write the shards, and count them."""
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
    """Run the same steps by datatrove's local executors, with its defaults and a task for each worker."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline import dedup, filters
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.tokens import DocumentTokenizer
    from datatrove.pipeline.writers import JsonlWriter

    from lm.tokenizer.special import END_OF_DOCUMENT

    made = folder / name

    def run(*steps: object, tasks: int = workers) -> None:
        run.number += 1
        logs = str(made / "logs" / str(run.number))
        LocalPipelineExecutor(list(steps), tasks=tasks, workers=min(tasks, workers), logging_dir=logs).run()

    run.number = 0
    given, judged, single = str(folder / f"given-{workers}"), str(made / "judged"), str(made / "single")
    hashes, copies, signs, buckets, near, tokens = (str(made / each) for each in ("a", "b", "c", "d", "e", "tokens"))
    exactly, nearly = dedup.ExactDedupConfig(content_getter=text_of), dedup.MinhashConfig()
    run(
        JsonlReader(given),
        filters.GopherRepetitionFilter(),
        filters.GopherQualityFilter(),
        filters.C4QualityFilter(),
        filters.FineWebQualityFilter(),
        JsonlWriter(judged, compression=None),
        dedup.ExactDedupSignature(hashes, config=exactly, finder_workers=workers),
    )
    run(dedup.ExactFindDedups(hashes, copies, config=exactly))
    run(
        JsonlReader(judged),
        dedup.ExactDedupFilter(copies, config=exactly),
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
    """What makes two documents equal for datatrove."""
    return document.text


if __name__ == "__main__":
    if sys.argv[1] == "--run":
        side, folder, name, workers = sys.argv[2:]
        print({"ours": ours, "theirs": theirs}[side](Path(folder), name, int(workers)))
    else:
        main(sys.argv[1])
