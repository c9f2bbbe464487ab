"""Does a small model learn to classify: `python tests/benchmark/acceptability.py BOOKS BLIMP OUT [SEED …]`.

For each seed a model is pretrained on English books (text files, packed or not), tuned to answer yes or no about the
sentences of BLiMP's minimal pairs (Warstadt et al. 2020; a directory of JSON Lines), asked in three wordings, and
evaluated on pairs of which it saw neither sentence: a quarter of an hour per seed on 2 cores. The runs are named below
OUT; the same command resumes.
"""

import gzip
import json
import random
import subprocess
import sys
from pathlib import Path

from lm.files import write_atomically
from lm.report import confidence_interval

PAIRS = 300  # of each paradigm
TOKENS = 9_000_000
WORDINGS = [  # with the answers for a good and a bad sentence
    ("Is this sentence grammatical? {}", "yes", "no"),
    ("{} Would a native speaker say that?", "yes", "no"),
    ("Is there a mistake in this sentence? {}", "no", "yes"),
]
SEEDS = ["0", "1", "2"]


def main(books: str, pairs: str, out: str, *seeds: str) -> None:
    """Train, evaluate, and print the share of right answers of each seed, with mean and interval."""
    books, folder, seeds = str(Path(books).resolve()), Path(out).resolve(), seeds or SEEDS
    folder.mkdir(parents=True, exist_ok=True)
    write_questions(Path(pairs), folder / "questions.jsonl")

    def lm(*arguments: str) -> None:
        subprocess.run([sys.executable, "-m", "lm", *arguments], cwd=folder, check=True)

    text = ["corpus=text", f"corpus.path={books}", "corpus.part_size=20000"]
    lm("tokenizer", *text)
    lm("corpus", *text)
    conversations = ["questions", "path=questions.jsonl", "group_field=pair", "task_field=way"]
    shares: dict[str, list[float]] = {"before": [], "after": []}
    for seed in seeds:
        names = [f"run.name=seed-{seed}", f"seed={seed}"]
        lm("pretrain", *names, "data.path=outputs/corpus/default", f"budget.tokens={TOKENS}")
        pretrained = f"model.path=outputs/pretrain/seed-{seed}"
        lm("instruct", *names, pretrained, *overrides("data", conversations))
        tuned = f"model.path=outputs/instruct/seed-{seed}"
        for when, path in (("before", pretrained), ("after", tuned)):
            template = ["conversation@evaluations.answers.template=roles"] if when == "before" else []
            evaluation = [f"run.name={when}-{seed}", path, "evaluation@evaluations=answers", *template]
            limits = ["evaluations.answers.max_questions=100000", "evaluations.answers.max_tokens=5"]
            lm("evaluate", *evaluation, *overrides("evaluations.answers", conversations), *limits)
            results = json.loads((folder / "outputs/evaluate" / f"{when}-{seed}" / "results.json").read_text())
            shares[when].append(results["answers"]["all"]["word_for_word"])
    for when, values in shares.items():
        total = confidence_interval(values)
        width = f" ± {total['half_width']:.1%} (95 %)" if len(values) > 1 else ""
        print(f"{when:<7}", "  ".join(f"{share:.1%}" for share in values), f"mean {total['mean']:.1%}{width}")


def overrides(package: str, conversations: list[str]) -> list[str]:
    """Overrides that select an option of conversations with its parameters, below a package."""
    option, *parameters = conversations
    group = "data/conversations" + ("" if package == "data" else f"@{package}.conversations")
    return [f"{group}={option}", *(f"{package}.conversations.{each}" for each in parameters)]


def write_questions(folder: Path, path: Path) -> None:
    """Write one question per sentence, in a random wording; the sentences of a pair are held out together."""
    draw, questions = random.Random(0), []
    for file in sorted(folder.glob("*.jsonl*")):
        opened = gzip.open if file.suffix == ".gz" else open
        with opened(file, "rt", encoding="utf-8") as lines:
            pairs = [json.loads(line) for line in lines]
        for number, pair in enumerate(draw.sample(pairs, min(PAIRS, len(pairs)))):
            for sentence, good in ((pair["sentence_good"], True), (pair["sentence_bad"], False)):
                way = draw.randrange(len(WORDINGS))
                question, *answers = WORDINGS[way]
                record = {"question": question.format(sentence), "answer": answers[not good]}
                questions.append({**record, "pair": f"{file.name} {number}", "way": f"way {way + 1}"})
    write_atomically(path, "".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in questions))


if __name__ == "__main__":
    main(*sys.argv[1:])
