"""Vocabularies are trained, measured on held-out text, compared in tables and a summary, and saved."""

import json

import pytest

from lm.cli.call import call_job
from lm.report import vocabulary_sections
from lm.tokenizer import load_tokenizer, train_bpe
from support.training_runs import composed, documents


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "a.txt"
    path.write_text("\n\n\n".join(document.text for document in documents()))
    return path


def comparison(text, root, *overrides: str) -> dict:
    corpus = ["corpus=text", f"corpus.path={text}", "corpus.separator='\\n\\n\\n'", "split.share=0.2"]
    return composed("vocabulary", f"run.root={root}", *corpus, "model=nano", "sizes=[290,305]", *overrides)


def test_each_family_is_made_at_each_size_and_measured_on_held_out_text(text, tmp_path, capsys):
    results = call_job(comparison(text, tmp_path, "+tokenizer@families.bytes=bytes"))
    assert [result["name"] for result in results] == ["bpe-290", "bpe-305", "bytes"]
    assert [result["vocab_size"] for result in results] == [290, 305, 262]
    directory = tmp_path / "vocabulary" / "default"
    assert json.loads((directory / "results.json").read_text()) == results
    for result in results:
        tokenizer = load_tokenizer(directory / "tokenizers" / f"{result['name']}.json")
        assert tokenizer.vocab_size == result["vocab_size"]
        assert result["bytes"] < 0.5 * text.stat().st_size, "only held-out text"
    assert results[0]["bytes_per_token"] < results[1]["bytes_per_token"]
    output = capsys.readouterr().out
    for result in results:
        assert f"{result['bytes_per_token']:.2f}" in output
    assert "Cheapest to train per byte of this text: bpe-305" in output


def test_the_tokenizers_equal_those_of_lm_tokenizer(text, tmp_path):
    call_job(comparison(text, tmp_path))
    options = ["corpus=text", f"corpus.path={text}", "corpus.separator='\\n\\n\\n'", "split.share=0.2"]
    call_job(composed("tokenizer", f"run.root={tmp_path}", *options, "tokenizer.vocab_size=305"))
    made = [tmp_path / "vocabulary" / "default" / "tokenizers" / "bpe-305.json", tmp_path / "tokenizer" / "default"]
    assert len({load_tokenizer(path).fingerprint for path in made}) == 1


def test_an_interrupted_comparison_resumes_with_the_missing_tokenizers(text, tmp_path, monkeypatch, capsys):
    def fail(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("lm.jobs.vocabulary.longest_tokens", fail)  # after the first is saved
        with pytest.raises(KeyboardInterrupt):
            call_job(comparison(text, tmp_path))
    kept = tmp_path / "vocabulary" / "default" / "tokenizers" / "bpe-290.json"
    before = kept.stat().st_mtime_ns
    assert len(call_job(comparison(text, tmp_path))) == 2
    assert kept.stat().st_mtime_ns == before
    call_job(comparison(text, tmp_path))
    assert "nothing to do" in capsys.readouterr().out


def test_a_damaged_tokenizer_of_the_run_is_trained_again(text, tmp_path):
    results = call_job(comparison(text, tmp_path))
    kept = tmp_path / "vocabulary" / "default" / "tokenizers" / "bpe-290.json"
    whole = kept.read_bytes()
    kept.write_bytes(whole[:1000])
    assert call_job(comparison(text, tmp_path)) == results
    assert kept.read_bytes() == whole


def test_existing_tokenizers_are_measured_unchanged(text, tmp_path):
    for name in ("a", "b"):
        train_bpe([text.read_text()], vocab_size=310).save(tmp_path / name / "tokenizer.json")
    files = f"paths=[{tmp_path}/a,{tmp_path}/b/tokenizer.json]"
    results = call_job(comparison(text, tmp_path, files, "sizes=[]"))
    assert [(result["name"], result["vocab_size"]) for result in results] == [("a", 310)]  # b equals a


def test_two_tokenizers_of_one_name_are_refused(text, tmp_path):
    path = tmp_path / "bpe-290.json"
    train_bpe([text.read_text()], vocab_size=310).save(path)
    with pytest.raises(ValueError, match="two of the tokenizers would be named bpe-290"):
        call_job(comparison(text, tmp_path, f"paths=[{path}]"))


def test_a_changed_tokenizer_is_refused_under_the_same_name(text, tmp_path):
    path = tmp_path / "a" / "tokenizer.json"
    train_bpe([text.read_text()], vocab_size=310).save(path)
    call_job(comparison(text, tmp_path, f"paths=[{path}]"))
    train_bpe([text.read_text()], vocab_size=311).save(path)
    with pytest.raises(ValueError, match="was made from other inputs"):
        call_job(comparison(text, tmp_path, f"paths=[{path}]"))


def test_a_tokenizer_that_loses_bytes_is_reported(text, tmp_path, capsys):
    accents = tmp_path / "accents.txt"
    accents.write_text(text.read_text().replace("e", "e\u0301"))
    options = ["tokenizer/normalizer@families.bpe.normalizer=nfc", "+tokenizer@families.bytes=bytes"]
    results = call_job(comparison(accents, tmp_path, *options))
    assert [result["lost"] > 0 for result in results] == [*[True] * (len(results) - 1), False]
    output = capsys.readouterr().out
    assert f"bpe-290 loses {results[0]['lost']:.2%} of the bytes" in output
    assert "bytes loses" not in output


def test_two_sizes_that_the_text_cannot_fill_are_one_result(text, tmp_path, capsys):
    results = call_job(comparison(text, tmp_path, "sizes=[5000,6000]"))
    assert [result["name"] for result in results] == ["bpe-5000"]
    assert results[0]["vocab_size"] < 5000
    assert "bpe-6000 equals bpe-5000" in capsys.readouterr().out


def test_aligned_texts_give_the_premium_of_each_language(text, tmp_path, capsys):
    for language, content in {"en": "alpha beta gamma", "fr": "alpha bêta gamma", "el": "άλφα βήτα γάμμα"}.items():
        (tmp_path / f"book.{language}.txt").write_text(content)
    options = ["aligned=editions", f"aligned.path='{tmp_path}/book.{{language}}.txt'"]
    results = call_job(comparison(text, tmp_path, *options, "+tokenizer@families.bytes=bytes"))
    paid = {result["name"]: result["languages"] for result in results}
    assert set(paid["bytes"]) == {"fr", "el"}
    assert paid["bytes"]["el"]["tokens"] == paid["bytes"]["el"]["bytes"] == 28 / 16
    assert paid["bpe-305"]["el"]["tokens"] > paid["bpe-305"]["fr"]["tokens"] > 1
    assert f"el {paid['bpe-305']['el']['tokens']:.2f}×" in capsys.readouterr().out
    page = (tmp_path / "vocabulary" / "default" / "report.html").read_text()
    assert "<td class='text'>el</td><td>1.75</td>" in page
    (tmp_path / "book.el.txt").write_text("άλφα")
    with pytest.raises(ValueError, match="was made from other inputs: aligned"):
        call_job(comparison(text, tmp_path, *options, "+tokenizer@families.bytes=bytes"))


def test_the_page_loads_nothing_else(text, tmp_path):
    call_job(comparison(text, tmp_path, "+tokenizer@families.bytes=bytes"))
    page = (tmp_path / "vocabulary" / "default" / "report.html").read_text()
    assert page.count('class="plot"') == 6
    assert "bpe-305" in page
    for loading in ("src=", "@import", "<link", "url("):
        assert loading not in page


def test_the_same_numbers_give_the_same_sections(text, tmp_path):
    found = [call_job(comparison(text, tmp_path, f"run.name={name}")) for name in ("a", "b")]
    assert vocabulary_sections(found[0]) == vocabulary_sections(found[1])
    (measured,) = vocabulary_sections(found[0])[1][0]["curves"]
    assert measured["values"] == [result["bytes_per_token"] for result in found[0]]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sizes=[]", "there is nothing to compare"),
        ("split.share=0", "holds nothing out to measure"),
        ("sample=0", "sample=0 is not a share"),
        ("sizes=[100]", "families and sizes, bpe-100: tokenizer.vocab_size 100 is too small"),
        ("paths=[nowhere]", "there is no tokenizer at nowhere"),
    ],
)
def test_invalid_comparisons_are_refused(override, message, text, tmp_path):
    with pytest.raises(ValueError, match=message):
        call_job(comparison(text, tmp_path, override))
