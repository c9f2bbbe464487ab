"""Real conversations in rows: the same loss as alone, and hardly a place wasted."""

from functools import cache

import numpy as np
import pytest
import torch

from lm.conversation import TurnTemplate
from lm.conversation.sources import ConversationSource, MessageLists, QuestionAnswers, Transcripts
from lm.corpus import Split
from lm.data.exact_fit import exact_fit
from lm.data.instruction import InstructionData
from lm.objective.loss import target_losses
from support.shared_texts import DATA
from support.talks import template_of, tokenizer_of
from test_logits import build

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"the sample data at {DATA} is not here")
TOOLS = {"human": "user", "gpt": "assistant", "function_call": "assistant", "observation": "tool"}
SHAREGPT = {"messages_field": "conversations", "role_field": "from", "content_field": "value", "roles": TOOLS}
SETS = {
    "alpaca": lambda: QuestionAnswers(at("sft_demo/alpaca_en_demo.json")),
    "code": lambda: QuestionAnswers(at("codealpaca/code_alpaca_2k.json")),
    "tools": lambda: MessageLists(at("sft_demo/glaive_toolcall_en_demo.json"), **SHAREGPT),
    "messages": lambda: MessageLists(at("sft_demo/v1_sft_demo.jsonl")),
    "problems": lambda: QuestionAnswers(at("gsm8k/train.jsonl.gz"), **pair("question", "answer")),
    "prompted": lambda: QuestionAnswers(at("t0_p3/t0_lean.jsonl.gz"), **pair("prompt", "completion")),
    "thoughts": lambda: QuestionAnswers(
        at("flan_cot/*.tsv*"),
        **pair("question", "answer"),
        rationale_field="rationale",
        columns=["question", "answer", "rationale"],
        quoted=False,
        escaped=True,
    ),
    "harmless": lambda: Transcripts(
        at("hh_rlhf/harmless_base_dev_1500.jsonl.gz"),
        text_field="chosen",
        preferences="chosen",
        user="\n\nHuman:",
        assistant="\n\nAssistant:",
    ),
}


def at(name: str) -> str:
    return str(DATA / name)


def pair(question: str, answer: str) -> dict:
    return {"question_field": question, "input_field": None, "answer_field": answer}


class First(ConversationSource):
    """The first few of a source."""

    def __init__(self, source: ConversationSource, count: int):
        self.source, self.count = source, count

    def __iter__(self):
        return (one for one, _ in zip(self.source, range(self.count), strict=False))

    def fingerprint(self) -> str:
        return self.source.fingerprint()


@pytest.mark.parametrize("name", ["alpaca", "tools", "messages"])
@torch.no_grad()
def test_the_loss_of_packed_conversations_equals_that_of_each_alone(name):
    """In fp32, with a real vocabulary."""
    tokenizer, template = tokenizer_of("gpt2"), template_of("chatml")
    data = InstructionData(First(SETS[name](), 24), template=template, split=Split(0.0), packing=exact_fit)
    (rows,) = data.open(tokenizer=tokenizer, context=512).sources.values()
    model = build(vocab_size=tokenizer.vocab_size, context=512)

    def losses(tokens, targets, supervised, documents=None) -> torch.Tensor:
        hidden = model.hidden(torch.as_tensor(tokens)[None], documents=documents)[0]
        chosen = torch.as_tensor(supervised)
        return target_losses(hidden[chosen], model.projection, torch.as_tensor(targets)[chosen])

    packed, alone = [], []
    for index in range(len(rows)):
        row = rows.row(index)
        packed.append(losses(row.tokens, row.targets, row.supervised, torch.as_tensor(row.documents)[None]))
        for segment in rows.packing.segments(index):
            tokens, supervised = rows.documents.read(*segment)
            alone.append(losses(tokens[:-1], tokens[1:], supervised))
    assert len(packed) < len(alone)
    packed, alone = torch.cat(packed), torch.cat(alone)
    assert len(packed) == len(alone) == rows.counts.sum() > 500
    assert abs(packed.double().mean() - alone.double().mean()) < 1e-6
    assert (packed - alone).abs().max() < 1e-5


@cache
def lengths(name: str) -> np.ndarray:
    """Targets of each conversation that is not faulty, in ChatML by GPT-2's tokenizer."""
    tokenizer, template = tokenizer_of("gpt2"), template_of("chatml")
    assert isinstance(template, TurnTemplate)
    learnable = (one for one in SETS[name]() if all(str(message.content or "").strip() for message in one.messages))
    return np.array([len(template.encode(one, tokenizer).tokens) - 1 for one in learnable])


LONG = [name for name in SETS if name not in ("alpaca", "code")]


@pytest.mark.parametrize("name", ["alpaca", "code", *(pytest.param(name, marks=pytest.mark.slow) for name in LONG)])
@pytest.mark.parametrize("context", [512, 2048])
def test_real_sets_waste_under_one_percent_or_no_more_than_their_last_row(name, context):
    fitting = lengths(name)[lengths(name) <= context]
    rows = exact_fit(fitting, context)
    assert rows.waste < 0.01 or len(rows) <= -(-int(fitting.sum()) // context) + (name == "tools")
