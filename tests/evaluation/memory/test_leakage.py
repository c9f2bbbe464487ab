"""Items whose words stand in the training corpus are found, and scored apart from the others."""

from functools import partial

import pytest

from lm.corpus import Document, Split, write_shards
from lm.evaluation import Accuracy, CopyScore, Leakage, MultipleChoice, TrainingCorpora
from lm.evaluation.metrics import total
from lm.filter.text.item_index import ItemIndex
from support.asked import network, task, tokenizer, written
from support.training_runs import Texts

NAMES = [
    "the cat sat on the mat and the dog ran to the red house number",
    "no red house and no dog ran on the cat yes yes to the mat number",
    "the dog sat yes and ran on the red cat to the house no mat number",
    "yes the mat and the red dog no the cat ran to the house on number",
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """The first question with its answer, the second without it, the answer of the third alone."""
    folder = tmp_path_factory.mktemp("corpus")
    texts = [
        f"Once: {NAMES[0].upper()}! 0. It is a red dog.",
        f"{NAMES[1]} 1",
        "see, the long answer is a house to a cat yes",
    ]
    documents = [Document(each, f"document {number}") for number, each in enumerate(texts)]
    write_shards(Texts(documents), folder, tokenizer=tokenizer(), split=Split(0), shard_tokens=1000)
    tokenizer().save(folder / "tokenizer.json")
    return folder


def benchmark(tmp_path, **options):
    rows = [{"question": f"{name} {n}", "choices": ["a red dog", "no"], "gold": 0} for n, name in enumerate(NAMES)]
    rows[2]["choices"] = ["the long answer is a house to a cat", "no"]
    rows.append({"question": "too short?", "choices": ["A", "no"], "gold": 0})
    question = MultipleChoice(
        prompt="Question number one for all of you today: {{ question }}\nAnswer:",
        choices="{{ choices }}",
        gold="{{ gold }}",
        metrics={"accuracy": Accuracy(total)},
    )
    return task(written(tmp_path / "items.jsonl", rows), question, **options)


def leakage(tmp_path, corpus, **options) -> Leakage:
    tasks = {"mine": benchmark(tmp_path, **options)}
    return Leakage(tasks, TrainingCorpora(paths=str(corpus)), index=partial(ItemIndex, min_words=8))


def test_question_answer_and_both_are_found_in_the_documents_that_have_them(tmp_path, corpus):
    measure = leakage(tmp_path, corpus)
    results = measure(network(), tokenizer())
    found = results["tasks"]["mine"]["found"]
    assert {name: (each["value"] * each["count"], each["count"]) for name, each in found.items()} == {
        "question": (pytest.approx(2), 4),
        "answer": (pytest.approx(1), 1),
        "both": (pytest.approx(1), 4),
        "either": (pytest.approx(3), 4),
    }
    low, high = found["question"]["interval"]
    assert (low, high) == (pytest.approx(0.15, abs=0.01), pytest.approx(0.85, abs=0.01))  # Wilson, 2 of 4
    assert [(each["place"], each["found"]) for each in results["items"]] == [
        ("items.jsonl:1", {"question": "document 0", "answer": None, "both": "document 0"}),
        ("items.jsonl:2", {"question": "document 1", "answer": None, "both": None}),
        ("items.jsonl:3", {"question": None, "answer": "document 2", "both": None}),
    ]
    table = measure.table(results)
    assert "3 training documents were searched" in table
    assert "not searched" in table


def test_scores_of_both_groups_are_the_means_of_their_items(tmp_path, corpus):
    scores = leakage(tmp_path, corpus)(network(), tokenizer())["tasks"]["mine"]["scores"]
    items = benchmark(tmp_path)(network(), tokenizer())["items"]
    values = [each["values"]["accuracy"] for each in items]
    assert {name: each["count"] for name, each in scores.items()} == {
        "overlapping": 3,
        "clean": 1,
        "not searched": 1,
        "all": 5,
    }
    assert scores["overlapping"]["value"] == sum(values[:3]) / 3
    assert scores["clean"]["value"] == values[3]
    assert scores["all"]["value"] == sum(values) / 5
    assert all(each["interval"][0] <= each["value"] <= each["interval"][1] for each in scores.values())


def test_the_template_around_a_question_is_neither_found_nor_in_the_way(tmp_path, corpus):
    item = benchmark(tmp_path).items()[0]
    assert benchmark(tmp_path).question.asked_fields(item) == [f"{NAMES[0]} 0"]


def test_clusters_of_the_benchmark_widen_the_intervals(tmp_path, corpus):
    found = leakage(tmp_path, corpus, cluster="one")(network(), tokenizer())["tasks"]["mine"]["found"]
    alone = leakage(tmp_path, corpus)(network(), tokenizer())["tasks"]["mine"]["found"]
    width = [each["question"]["interval"][1] - each["question"]["interval"][0] for each in (found, alone)]
    assert width[0] > width[1]


def test_no_benchmark_and_what_has_no_items_are_refused_with_the_command(tmp_path, corpus):
    corpora = TrainingCorpora(paths=str(corpus))
    with pytest.raises(ValueError, match=r"add \+evaluation@evaluation\.tasks=\[hellaswag\]"):
        Leakage({}, corpora, index=ItemIndex)
    with pytest.raises(ValueError, match=r"evaluation\.tasks\.copying has no items"):
        Leakage({"copying": CopyScore()}, corpora, index=ItemIndex)
    missing = task(str(tmp_path / "none.jsonl"), benchmark(tmp_path).question)
    with pytest.raises(ValueError, match=r"evaluation\.tasks\.mine\.path .*none\.jsonl"):
        Leakage({"mine": missing}, corpora, index=ItemIndex).fingerprint()
