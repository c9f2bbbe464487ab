"""A task averages what comes of its items, by group, with intervals, baselines and what to know about them."""

import json
from pathlib import Path

import pytest

from lm.config.build import build
from lm.conversation import RecordedTemplate, RoleTokenTemplate
from lm.conversation.recorded_template import record_template
from lm.evaluation import Accuracy, GoldBits, Layout, MultipleChoice, Shots
from lm.evaluation.intervals import estimate
from lm.evaluation.metrics import total
from support.asked import network, task, tokenizer, written
from support.shared_texts import DATA, needs_data
from support.training_runs import composed

ROWS = [
    {"q": f"the cat {n}", "c": ["yes", "no", "the red house"][: 2 + n % 2], "g": n % 2, "kind": "ab"[n % 3 == 0]}
    for n in range(30)
]


def question(**options) -> MultipleChoice:
    metrics = {"accuracy": Accuracy(total), "bits": GoldBits()}
    return MultipleChoice(prompt="{{ q }}", choices="{{ c }}", gold="{{ g }}", metrics=metrics, **options)


@pytest.fixture
def path(tmp_path) -> str:
    return written(tmp_path / "items.jsonl", ROWS)


def results(path: str, **options) -> dict:
    return task(path, question(), **options)(network(), tokenizer())


def test_scores_are_means_of_the_items_with_intervals_and_baselines(path):
    found = results(path)
    values = [each["values"]["accuracy"] for each in found["items"]]
    expected = estimate(values, share=True)
    accuracy = found["metrics"]["accuracy"]
    assert (accuracy["value"], accuracy["interval"]) == (expected.value, [*expected.interval])
    assert accuracy["count"] == found["count"] == 30
    assert accuracy["chance"] == pytest.approx((15 / 2 + 15 / 3) / 30)
    assert accuracy["majority"] == 0.5
    assert accuracy["centred"] == pytest.approx((expected.value - accuracy["chance"]) / (1 - accuracy["chance"]))
    bits = found["metrics"]["bits"]
    assert (bits["chance"], bits["majority"], bits["centred"]) == (None, None, None)


def test_groups_have_scores_of_their_own(path):
    found = results(path, groups={"kind": "{{ kind }}"})
    groups = found["groups"]["kind"]
    assert {name: each["count"] for name, each in groups.items()} == {"a": 20, "b": 10}
    whole = sum(each["value"] * each["count"] for each in groups.values()) / 30
    assert whole == pytest.approx(found["metrics"]["accuracy"]["value"])
    assert "accuracy by kind, mean" in task(path, question()).table(found)


def test_clusters_widen_intervals(tmp_path):
    path = written(tmp_path / "items.jsonl", [{**row, "n": n} for row in ROWS[:8] for n in range(6)])
    plain, clustered = results(path), results(path, cluster="{{ q }}")
    one, two = (each["metrics"]["accuracy"]["interval"] for each in (plain, clustered))
    assert two[1] - two[0] > 1.3 * (one[1] - one[0])
    assert clustered["clusters"] == 8
    assert "8 clusters" in task(path, question()).table(clustered)


def test_the_number_of_items_is_bounded_and_they_are_evenly_spaced(path):
    found = results(path, max_items=3)
    assert [each["place"] for each in found["items"]] == [f"items.jsonl:{n}" for n in (1, 11, 21)]
    assert len({each["id"] for each in results(path)["items"]}) == 30


def test_batches_change_nothing(path):
    one, two = results(path), results(path, batch_tokens=20)
    for name, metric in one["metrics"].items():
        assert two["metrics"][name]["value"] == pytest.approx(metric["value"], abs=1e-12)


def test_examples_come_from_the_task_or_from_a_file(path, tmp_path):
    other = written(tmp_path / "train.jsonl", [{**row, "q": f"x{row['q']}"} for row in ROWS])
    seen = []

    class Seen(MultipleChoice):
        def ask(self, asked, asking):
            seen.append([example[0] for each in asked for example in each.examples])
            return super().ask(asked, asking)

    asked = Seen(prompt="{{ q }}", choices="{{ c }}", gold="{{ g }}", metrics={"accuracy": Accuracy(total)})
    for shots in (Shots(count=2), Shots(count=2, path=other)):
        found = task(path, asked, shots=shots)(network(), tokenizer())
        assert found["shots"] == 2
    own, foreign = seen
    assert {*own} <= {row["q"] for row in ROWS}
    assert all(each.startswith("x") for each in foreign)
    assert len(own) == len(foreign) == 60


def test_a_model_trained_on_conversations_is_asked_in_its_template(path, tmp_path):
    record_template(tmp_path, RoleTokenTemplate())
    recorded = RecordedTemplate(str(tmp_path))
    auto = task(path, question(), chat=None, recorded=recorded)
    assert auto(network(), tokenizer())["template"].endswith("RoleTokenTemplate")
    assert "turns of RoleTokenTemplate" in auto.table(auto(network(), tokenizer()))
    assert task(path, question(), chat=False, recorded=recorded)(network(), tokenizer())["template"] is None
    plain = task(path, question(), chat=None, recorded=RecordedTemplate(str(tmp_path / "other")))
    assert plain(network(), tokenizer())["template"] is None
    assert auto.fingerprint() != plain.fingerprint()


def test_the_fingerprint_is_that_of_the_content(path, tmp_path):
    first = task(path, question()).fingerprint()
    (tmp_path / "b").mkdir()
    copy = written(tmp_path / "b" / "items.jsonl", ROWS)
    assert task(copy, question()).fingerprint() == first
    written(Path(copy), ROWS[:-1])
    assert task(copy, question()).fingerprint() != first


def test_an_item_that_cannot_be_asked_is_told_before_any_is(path, tmp_path):
    faulty = written(tmp_path / "faulty.jsonl", [*ROWS, {**ROWS[0], "g": 7}])
    with pytest.raises(ValueError, match=r"faulty\.jsonl:31: evaluation\.question\.gold gives 7"):
        task(faulty, question()).check()
    with pytest.raises(ValueError, match=r"has no field 'knd', which evaluation\.groups\.kind reads: did you mean"):
        task(path, question(), groups={"kind": "{{ knd }}"}).check()
    empty = written(tmp_path / "empty.jsonl", [])
    with pytest.raises(ValueError, match=r"evaluation\.path: .*empty\.jsonl has no items"):
        task(empty, question()).check()
    with pytest.raises(ValueError, match=r"evaluation\.main=f1: the metrics are accuracy, bits"):
        task(path, question(), main="f1")


# The layout of each published file, as one row: those of the shared folder, and those of the hub.
PUBLISHED = {
    "blimp": [{"sentence_good": "He is.", "sentence_bad": "He are.", "linguistics_term": "agreement", "UID": "u"}],
    "hellaswag": [
        {"activity_label": "Run", "ctx_a": "A man runs.", "ctx_b": "he", "endings": list("abcd"), "label": label}
        for label in (3, "1")
    ],
    "arc_easy": [
        {"query": "Question: Why?", "choices": ["a", "b"], "gold": 1},
        {"question": "Why?", "choices": {"text": ["a", "b"], "label": ["1", "2"]}, "answerKey": "2"},
    ],
    "openbook_qa": [
        {"query": "Fog is", "choices": ["a", "b"], "gold": 1},
        {"question_stem": "Fog is", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "B"},
    ],
    "copa": [
        {"query": "It rained, so", "choices": ["it was wet.", "b"], "gold": 0},
        {"premise": "It rained.", "question": "effect", "choice1": "It was wet.", "choice2": "B", "label": 0},
    ],
    "commonsense_qa": [
        {"query": "Question: Why?\nAnswer:", "choices": ["A", "B"], "gold": 1},
        {"question": "Why?", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "B"},
    ],
    "boolq": [
        {"query": "Passage: p\nQuestion: q?\nAnswer:", "choices": ["no", "yes"], "gold": 1},
        {"passage": "p", "question": "q", "answer": True},
    ],
    "mmlu": [
        {"question": "Why?", "A": "a", "B": "b", "C": "c", "D": "d", "answer": answer} for answer in ("2", "C")
    ]
    + [{"question": "Why?", "subject": "law", "choices": list("abcd"), "answer": 2}],
    "lambada": [{"context": "He saw the", "continuation": "dog"}, {"text": "He saw the dog"}],
    "winogrande": [{"sentence": "Ann met Bo because _ ran.", "option1": "Ann", "option2": "Bo", "answer": "2"}],
    "wsc": [{"context_options": ["Ann ran because Ann", "Ann ran because Bo"], "continuation": "hid.", "gold": 1}],
    "gsm8k": [{"question": "1 + 1?", "answer": "It is <<1+1=2>>2.\n#### 2"}] * 7,
    "svamp": [{"context": f"{n} and 1?", "answer": str(n + 1)} for n in range(7)],
    "squad": [
        {"context": "c", "question": "q", "answers": {"text": ["a", "b"], "answer_start": [0, 1]}},
        {"context": "c", "question": "q", "answers": [{"text": "a", "answer_start": 0}, {"text": "b"}]},
    ],
    "triviaqa": [
        {"context": "Question: q\nAnswer:", "answer": "a", "aliases": ["a", "b"]},
        {"question": "q", "answer": {"value": "a", "aliases": ["a", "b"]}},
    ],
    "humaneval": [
        {"prompt": "def f():\n", "test": "def check(c):\n    assert c() == 1\n", "entry_point": "f",
         "canonical_solution": "    return 1\n"}
    ],
    "mbpp": [{"text": "One.", "code": "def f(): return 1", "test_list": ["assert f() == 1"]}],
    "jeopardy": [{"context": "clue", "continuation": "dog", "category": "x"}],
    "arithmetic": [{"context": "1 + 1 =", "continuation": " 2"}],
    "crows_pairs": [{"sent_more": "a", "sent_less": "b", "bias_type": "age", "stereo_antistereo": "stereo"}],
    "stereoset": [
        {"context": "A nurse is BLANK.", "target": "nurse", "bias_type": "profession",
         "sentences": [{"sentence": x, "gold_label": x} for x in ("stereotype", "anti-stereotype", "unrelated")]}
    ],
    "bbq": [
        {"context": "c", "question": "q", "ans0": "a", "ans1": "b", "ans2": "c", "label": 2, "category": "age",
         "answer_info": {f"ans{n}": [each, each] for n, each in enumerate(["old", "young", "unknown"])},
         "additional_metadata": {"stereotyped_groups": ["old"]}, "question_polarity": "neg", "question_index": "1",
         "context_condition": "ambig"}
    ],
}  # fmt: skip


@pytest.mark.parametrize("option", sorted(PUBLISHED))
def test_each_benchmark_reads_the_layouts_it_is_published_in(option, tmp_path):
    file = written(tmp_path / "astronomy_test.jsonl", PUBLISHED[option])
    config = composed(
        "evaluate", "model.path=x", f"evaluation@evaluations={option}", f"evaluations.{option}.path={file}"
    )
    node = config["evaluations"][option]
    node["recorded"]["path"] = None
    benchmark = build(node)
    benchmark.check()
    examples = [benchmark.question.example(item) for item in benchmark.items()]
    assert len({answer for _, answer in examples}) == 1 or option in ("hellaswag", "gsm8k", "svamp")
    found = benchmark(network(400), tokenizer()) if option != "gsm8k" else None
    assert found is None or found["count"] == len(PUBLISHED[option])


@needs_data
def test_a_published_file_is_scored_whole():
    file = str(DATA / "llmfoundry_eval" / "copa.jsonl")
    metrics = {"accuracy": Accuracy(total)}
    copa = MultipleChoice(prompt="{{ query }}", choices="{{ choices }}", gold="{{ gold }}", metrics=metrics)
    found = task(file, copa, max_items=20)(network(), tokenizer())
    assert found["metrics"]["accuracy"]["chance"] == 0.5
    assert json.dumps(found)


def test_items_whose_join_a_token_spans_are_flagged(tmp_path):
    text = "the cat sat on the mat"
    first = tokenizer().decode(tokenizer().encode(text)[:2])
    rows = [
        {"query": first[:-1], "choices": [first[-1:] + text[len(first) :], "no"], "gold": 0},
        {"query": "the cat", "choices": [" sat", " ran"], "gold": 0},
    ]
    question = MultipleChoice(
        prompt="{{ query }}", choices="{{ choices }}", gold="{{ gold }}", metrics={"accuracy": Accuracy(total)}
    )
    measure = task(written(tmp_path / "items.jsonl", rows), question, layout=Layout(answer_separator=""))
    results = measure(network(), tokenizer())
    assert results["spanning"] == sum(each.get("spanning", 0) for each in results["items"]) >= 1
    assert ["spanning" in each for each in results["items"]] == [True, False]
    assert f"a token spans the join of prompt and answer {results['spanning']} times" in measure.table(results)
