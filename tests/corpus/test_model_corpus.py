"""A corpus in the tokenizer of a published model: documents begin with its bos and end with its eos."""

from functools import partial
from math import log

import pytest
import torch

from lm.corpus import Document, Shards, Split, write_shards
from lm.data.packing import cut
from lm.data.pretraining import PretrainingData
from lm.evaluation import BitsPerByte
from lm.generation import Generator, Sampling
from lm.model import Attention, SwiGLU, Transformer
from lm.tokenizer import load_tokenizer
from support.published import llama_folder

TEXTS = ["Once upon a time the hen ate 12 pies.", "a fox", "It's a café: the end! 🙂", "the ox and the hen"]
BOS, EOS = 1, 2


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return load_tokenizer(llama_folder(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def corpus(tokenizer, tmp_path_factory):
    path = tmp_path_factory.mktemp("corpora") / "words"
    texts = [f"{text} {n}" for n in range(3) for text in TEXTS]
    documents = [Document(id=str(n), text=text, kind="text", source="test") for n, text in enumerate(texts)]
    write_shards(documents, path, tokenizer=tokenizer, split=Split(0.5), shard_tokens=50)
    return path


@pytest.fixture(scope="module")
def model(tokenizer):
    torch.manual_seed(0)
    attention = partial(Attention, heads=2)
    model = Transformer(
        vocab_size=tokenizer.vocab_size, context=64, dim=16, layers=1, attention=attention, feedforward=SwiGLU
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.double().eval()


@pytest.mark.parametrize("separate", [True, False])
def test_each_document_is_read_after_bos_and_predicts_eos(corpus, tokenizer, separate):
    data = PretrainingData(str(corpus), packing=cut, separate_documents=separate, validation_rows=None)
    rows = data.open(tokenizer=tokenizer, context=8)
    source = rows.sources["text"]
    inputs, targets = [], []
    for index in range(len(source)):
        row = source.row(index)
        on = row.supervised
        inputs += row.tokens[on].tolist()
        targets += row.targets[on].tolist()
    stream = Shards(corpus, "train").streams["text"]
    expected = [stream.document(n).tolist() for n in range(stream.documents)]
    assert targets == [token for ids in expected for token in [*ids, EOS]]
    assert inputs == [token for ids in expected for token in [BOS, *ids]]
    assert BOS not in targets


def test_bits_per_byte_are_those_of_each_document_after_bos(corpus, tokenizer, model):
    measured = BitsPerByte(str(corpus), stride=1.0)(model, tokenizer)["text"]
    stream = Shards(corpus, "validation").streams["text"]
    nats, size = 0.0, 0
    for number in range(stream.documents):
        ids = stream.document(number).tolist()
        size += len(tokenizer.decode(ids).encode())
        with torch.inference_mode():
            logs = model(torch.tensor([[BOS, *ids]])).log_softmax(-1)[0]
        nats -= float(logs.gather(1, torch.tensor([*ids, EOS])[:, None]).sum())
    assert measured["bytes"] == size
    assert measured["model"] == pytest.approx(nats / size / log(2), rel=1e-9)


def test_an_empty_prompt_is_bos_and_any_end_of_the_model_ends_a_text(tokenizer, model):
    generator = Generator(model, tokenizer)
    greedy = Sampling(temperature=0)
    empty, begun = generator.generate([[], [BOS]], sampling=greedy, max_tokens=12)
    assert empty.tokens == begun.tokens
    (stopped,) = Generator(model, _Ending(tokenizer, [EOS, begun.tokens[3]])).generate(
        [[BOS]], sampling=greedy, max_tokens=12
    )
    assert (stopped.tokens, stopped.reason) == (begun.tokens[: len(stopped.tokens)], "stop_token")
    assert len(stopped.tokens) < 12


class _Ending:
    """The tokenizer with other ends."""

    def __init__(self, tokenizer, ends):
        self.beginning, self.decode_bytes, self.ends = tokenizer.beginning, tokenizer.decode_bytes, ends
