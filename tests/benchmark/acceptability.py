"""Whether a small model learns to classify: `python tests/benchmark/acceptability.py BOOKKEEPING BLIMP OUT [SEED …]`.

For each seed one is pretrained on English books (text files, packed or not), tuned to say yes or no of the sentences of
BLiMP's minimal pairs (Warstadt et al. 2020; a folder of JSON Lines), asked in three ways, and then asked about pairs of
which it saw neither sentence: a quarter of an hour on 2 cores. OUT has them as named runs; typed again it goes on.
"""

import gzip
import json
import random
import subprocess
import sys
from pathlib import Path

from lm.files import write_atomically
from lm.training.learning import interval

PAIRS = 300  # of each paradigm
TOKENS = 9_000_000
ASKED = [  # and the answers for a good sentence and a bad one
    ("Is this sentence grammatical? {}", "yes", "no"),
    ("{} Would a native speaker say that?", "yes", "no"),
    ("Is there a mistake in this sentence? {}", "no", "yes"),
]
SEEDS = ["0", "1", "2"]


def main(books: str, pairs: str, out: str, *seeds: str) -> None:
    """Train, ask, and print what is right word for word: each seed's, and over all."""
    books, folder, seeds = str(Path(books).resolve()), Path(out).resolve(), seeds or SEEDS
    folder.mkdir(parents=True, exist_ok=True)
    write_questions(Path(pairs), folder / "questions.jsonl")

    def lm(*arguments: str) -> None:
        subprocess.run([sys.executable, "-m", "lm", *arguments], cwd=folder, check=True)

    text = ["corpus=text", f"corpus.path={books}", "corpus.part_size=20000"]
    lm("tokenizer", *text)
    lm("corpus", *text)
    asked = ["questions", "path=questions.jsonl", "group_field=pair", "task_field=way"]
    found: dict[str, list[float]] = {"before": [], "after": []}
    for seed in seeds:
        named = [f"run.name=seed-{seed}", f"seed={seed}"]
        lm("pretrain", *named, "data.path=outputs/corpus/default", f"budget.tokens={TOKENS}")
        pretrained = f"model.path=outputs/pretrain/seed-{seed}"
        lm("instruct", *named, pretrained, *placed("data", asked))
        tuned = f"model.path=outputs/instruct/seed-{seed}"
        for when, path in (("before", pretrained), ("after", tuned)):
            template = ["conversation@evaluations.answers.template=roles"] if when == "before" else []
            evaluated = [f"run.name={when}-{seed}", path, "evaluation@evaluations=answers", *template]
            asking = ["evaluations.answers.questions=100000", "evaluations.answers.max_tokens=5"]
            lm("evaluate", *evaluated, *placed("evaluations.answers", asked), *asking)
            results = json.loads((folder / "outputs/evaluate" / f"{when}-{seed}" / "results.json").read_text())
            found[when].append(results["answers"]["all"]["word_for_word"])
    for when, shares in found.items():
        over_all = interval(shares)
        width = f" ± {over_all['half_width']:.1%} (95 %)" if len(shares) > 1 else ""
        print(f"{when:<7}", "  ".join(f"{share:.1%}" for share in shares), f"mean {over_all['mean']:.1%}{width}")


def placed(package: str, asked: list[str]) -> list[str]:
    """The conversations of a package by an option and its parameters."""
    option, *parameters = asked
    group = "data/conversations" + ("" if package == "data" else f"@{package}.conversations")
    return [f"{group}={option}", *(f"{package}.conversations.{each}" for each in parameters)]


def write_questions(folder: Path, path: Path) -> None:
    """A question for each sentence, in one of the ways; both of a pair belong together."""
    draw, questions = random.Random(0), []
    for file in sorted(folder.glob("*.jsonl*")):
        opened = gzip.open if file.suffix == ".gz" else open
        with opened(file, "rt", encoding="utf-8") as lines:
            pairs = [json.loads(line) for line in lines]
        for number, pair in enumerate(draw.sample(pairs, min(PAIRS, len(pairs)))):
            for sentence, good in ((pair["sentence_good"], True), (pair["sentence_bad"], False)):
                way = draw.randrange(len(ASKED))
                question, *answers = ASKED[way]
                record = {"question": question.format(sentence), "answer": answers[not good]}
                questions.append({**record, "pair": f"{file.name} {number}", "way": f"way {way + 1}"})
    write_atomically(path, "".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in questions))


if __name__ == "__main__":
    main(*sys.argv[1:])
