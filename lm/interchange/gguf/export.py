"""A trained model as one GGUF file, which llama.cpp, Ollama and LM Studio open."""

from pathlib import Path
from typing import Any

from lm.interchange.format import Format, Published
from lm.interchange.gguf.architecture import Architecture, architecture_of
from lm.interchange.gguf.facts import eps_of, facts_of, period_of, windows_of
from lm.interchange.gguf.file import Kind, import_gguf, write_gguf
from lm.interchange.gguf.scaling import rotary_fields
from lm.interchange.gguf.vocabulary import vocabulary_of
from lm.interchange.gguf.weights import weights_of
from lm.model import Experts, Transformer

FILE = "model.gguf"


class GGUF(Format):
    """One file with weights, tokenizer and chat template, for llama.cpp and what is built on it.

    Args:
        kind: How matrices are stored: f32, f16 and bf16 are exact to that type; q8_0 has 8.5 bits a number and q4_0
            4.5, in blocks of 32 with a scale. f16 suits most; bf16 holds numbers above 65504. Vectors are f32.
        inexact: Accept a tokenizer whose text llama.cpp splits otherwise now and then, as GPT-4o's.
    """

    def __init__(self, *, kind: Kind = "f16", inexact: bool = False):
        self.kind, self.inexact = kind, inexact

    def write(self, folder: Path, published: Published) -> tuple[list[Path], list[str]]:
        import_gguf()
        windows = [window for window in windows_of(published.outline) if window]
        architecture = architecture_of(facts_of(published.outline), window=min(windows, default=0))
        vocabulary = vocabulary_of(
            published.tokenizer,
            rows=published.outline.vocab_size,
            ends=published.ends,
            opens=published.opens,
            template=published.chat_template(),
            inexact=self.inexact,
        )
        model = published.build()
        fields = gguf_fields(model, architecture) | vocabulary.fields
        kept = write_gguf(folder / FILE, fields, weights_of(model, architecture), kind=self.kind)
        return [folder / FILE], [*vocabulary.notes, *_left_out(published), *computed_otherwise(model), *kept]


def _left_out(published: Published) -> list[str]:
    """Say that texts lack the token before them where the chat template decides that it is not written."""
    if published.opens or not published.tokenizer.opening:
        return []
    begin = published.tokenizer.roles.beginning
    return [
        f"prompts do not begin with {begin}, as the template does not; texts that llama.cpp continues without the "
        "template lack it, too"
    ]


def gguf_fields(model: Transformer, architecture: Architecture) -> dict[str, Any]:
    """Return what llama.cpp must know of a model beside its weights and its tokenizer."""
    attention, feedforward = model.blocks[0].attention, model.blocks[0].feedforward
    expert = feedforward.experts[0] if isinstance(feedforward, Experts) else feedforward
    norm = "layer_norm_epsilon" if architecture.biases else "layer_norm_rms_epsilon"
    fields = {
        "block_count": len(model.blocks),
        "context_length": model.context,
        "embedding_length": model.embedding.embedding_dim,
        "feed_forward_length": expert.up.out_features,
        "attention.head_count": attention.heads,
        "attention.head_count_kv": attention.key_value_heads,
        "attention.key_length": attention.head_dim,
        "attention.value_length": attention.head_dim,
        f"attention.{norm}": eps_of(model.norm),
        "vocab_size": model.vocab_size,
        **rotary_fields(model, architecture),
    }
    windows = windows_of(model)
    if any(windows):
        fields |= {
            "attention.sliding_window": max(windows),
            "attention.sliding_window_pattern": period_of(windows),
        }
    if attention.cap is not None:
        fields |= {"attn_logit_softcapping": float(attention.cap)}
    if model.logit_cap is not None:
        fields |= {"final_logit_softcapping": float(model.logit_cap)}
    if isinstance(feedforward, Experts):
        fields |= {"expert_count": len(feedforward.experts), "expert_used_count": feedforward.top}
        fields |= {"expert_feed_forward_length": expert.up.out_features}
    if architecture.name == "gptneox":
        fields |= {"use_parallel_residual": type(model.blocks[0]).__name__ == "ParallelBlock"}
    return {"general.architecture": architecture.name} | {f"{architecture.name}.{k}": v for k, v in fields.items()}


def computed_otherwise(model: Transformer) -> list[str]:
    """Return what llama.cpp computes a little otherwise, one line each."""
    exact = {"none"} & {getattr(block.feedforward, "approximate", "") for block in model.blocks}
    return ["llama.cpp computes GELU by a tanh, this model exactly: logits differ in the third digit"] if exact else []
