"""A classifier of transformers scores as transformers does, from a folder alone."""

import sys

import pytest
import torch

from lm.classifier.pretrained import PretrainedScorer

TEXTS = ["you fool", "a kind word and a long one at that", "thank you"]


def folder(path, **config):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", *["you", "fool", "a", "kind", "word", "and", "long", "one", "at", "that", "thank"]]
    plain = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="[UNK]"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(path)
    torch.manual_seed(0)
    size = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    model = BertForSequenceClassification(BertConfig(vocab_size=len(words), initializer_range=0.5, **size, **config))
    model.eval().save_pretrained(path)
    ids = [[words.index(word) for word in text.split()] for text in TEXTS]
    with torch.no_grad():
        return torch.cat([model(torch.tensor([each])).logits for each in ids])


def test_scores_are_those_of_transformers_whatever_the_batch(tmp_path):
    names = {0: "toxicity", 1: "insult"}
    logits = folder(tmp_path, id2label=names, problem_type="multi_label_classification")
    for rows in (1, 3):
        scorer = PretrainedScorer(path=str(tmp_path), rows=rows, device="cpu")
        assert scorer(TEXTS) == pytest.approx(logits.sigmoid()[:, 0].tolist(), abs=1e-6)
    assert scorer.name.startswith(f"{tmp_path.name} ")
    other = PretrainedScorer(path=str(tmp_path), label="insult", device="cpu")
    assert other(TEXTS) == pytest.approx(logits.sigmoid()[:, 1].tolist(), abs=1e-6)
    with pytest.raises(ValueError, match=r"scorer\.label=threat: the model has the labels toxicity, insult"):
        PretrainedScorer(path=str(tmp_path), label="threat", device="cpu")


def test_of_labels_of_which_one_holds_the_probability_is_shared(tmp_path):
    logits = folder(tmp_path, id2label={0: "LABEL_0", 1: "LABEL_1"})
    scorer = PretrainedScorer(path=str(tmp_path), device="cpu")
    assert scorer(TEXTS) == pytest.approx(logits.softmax(-1)[:, 1].tolist(), abs=1e-6)


def test_a_folder_that_is_not_there_and_a_missing_package_are_told(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"there is no unitary/toxic-bert/model\.safetensors: .* set scorer\.revision"):
        PretrainedScorer(path="unitary/toxic-bert")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ValueError, match=r"scorer=detoxify needs .* pip install 'lightning-lm\[detoxify\]'"):
        PretrainedScorer(path=str(tmp_path))
