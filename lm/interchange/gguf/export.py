"""A trained model as the fields and weights of one GGUF file, which llama.cpp, Ollama and LM Studio open."""

from typing import Any

from lm.interchange.gguf.architecture import Architecture
from lm.interchange.gguf.facts import period_of, windows_of
from lm.interchange.gguf.scaling import rotary_fields
from lm.model import Transformer


def gguf_fields(model: Transformer, architecture: Architecture) -> dict[str, Any]:
    """Return what llama.cpp must know of a model beside its weights and its tokenizer."""
    attention, feedforward = model.blocks[0].attention, model.blocks[0].feedforward
    norm = "layer_norm_epsilon" if architecture.biases else "layer_norm_rms_epsilon"
    fields = {
        "block_count": len(model.blocks),
        "context_length": model.context,
        "embedding_length": model.embedding.embedding_dim,
        "feed_forward_length": feedforward.up.out_features,
        "attention.head_count": attention.heads,
        "attention.head_count_kv": attention.key_value_heads,
        "attention.key_length": attention.head_dim,
        "attention.value_length": attention.head_dim,
        f"attention.{norm}": float(model.norm.eps),
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
    if architecture.name == "gptneox":
        fields |= {"use_parallel_residual": type(model.blocks[0]).__name__ == "ParallelBlock"}
    return {"general.architecture": architecture.name} | {f"{architecture.name}.{k}": v for k, v in fields.items()}


def computed_otherwise(model: Transformer) -> list[str]:
    """Return what llama.cpp computes a little otherwise, one line each."""
    exact = {"none"} & {getattr(block.feedforward, "approximate", "") for block in model.blocks}
    return ["llama.cpp computes GELU by a tanh, this model exactly: logits differ in the third digit"] if exact else []
