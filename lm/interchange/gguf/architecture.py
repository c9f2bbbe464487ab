"""The architectures of llama.cpp, as data: what a model must be to be one of them, and how its weights are laid out."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

Takes = Mapping[str, set[str]]

USUAL: Takes = {
    "block": {"PreNormBlock"},
    "norm": {"RMSNorm"},
    "norm.eps": {"equal"},
    "feedforward": {"SwiGLU"},
    "attention.heads": {"equal"},
    "attention.key_value_heads": {"heads", "fewer"},
    "attention.head_dim": {"dim / heads", "another"},
    "attention.bias": {"none"},
    "attention.query_key_norm": {"false"},
    "attention.window": {"null"},
    "attention.cap": {"null"},
    "position": {"Rotary"},
    "position.scaling": {"null", "LinearScaling", "YarnScaling"},
    "position.fraction": {"1"},
    "position_embedding": {"null"},
    "ngrams": {"null"},
    "scale_embeddings": {"false"},
    "logit_cap": {"null"},
    "tie_embeddings": {"true", "false"},
    "head": {"null"},
}
GELU = {"GELU", "GELU with bias"}
EXPERTS = "Experts of SwiGLU"
LAYER_NORM: Takes = {"norm": {"LayerNorm"}, "attention.head_dim": {"dim / heads"}}
GEMMA: Takes = {"feedforward": {"GeGLU"}, "scale_embeddings": {"true"}, "tie_embeddings": {"true"}}
SANDWICH: Takes = {**GEMMA, "block": {"SandwichBlock"}, "attention.window": {"null", "a number"}}
NORMS = frozenset({"norm", "attention_norm", "feedforward_norm"})
MATRICES = frozenset(
    {"attention.query", "attention.key", "attention.value", "attention.output", "feedforward.up", "feedforward.down"}
)
FREQUENCIES = {
    "null",
    "LinearScaling",
    "YarnScaling",
    "YarnScaling with truncate=false",
    "Llama3Scaling",
}  # any that is the same for all texts


@dataclass(frozen=True)
class Architecture:
    """An architecture of llama.cpp.

    Args:
        name: Value of `general.architecture`.
        takes: Fact about a model → the values that the architecture computes. Facts that it does not list have the
            values of `USUAL`.
        neighbours: Whether rotary positions rotate neighbours (2i, 2i + 1), as Meta's Llama does, rather than i and
            i + E/2: the rows of queries and keys are then reordered. Nothing fails without it, but the text is noise.
        frequencies: Whether the file may hold a divisor of each rotary frequency, which any scaling can be written as.
        joined: Whether queries, keys and values are one matrix.
        gate_in_up: Whether the gate of a feedforward stands before `up` in one matrix.
        biases: Parts whose weights have biases in any case; they are 0 where ours have none.
        untied: Whether the file has output embeddings of its own, a copy where ours are tied.
    """

    name: str
    takes: Takes = field(default_factory=dict)
    neighbours: bool = False
    frequencies: bool = False
    joined: bool = False
    gate_in_up: bool = False
    biases: frozenset[str] = frozenset()
    untied: bool = False

    def faults(self, facts: Mapping[str, Hashable]) -> list[str]:
        """Return what the architecture does not compute, as `model.norm=LayerNorm`."""
        wanted = {**USUAL, **self.takes}
        return [f"model.{fact}={value}" for fact, value in facts.items() if value not in wanted[fact]]


ARCHITECTURES = (  # the first that fits is taken
    Architecture("qwen2", {"attention.bias": {"queries, keys and values"}}),
    Architecture("qwen3", {"attention.query_key_norm": {"RMSNorm of each head"}}),
    Architecture("qwen3moe", {"attention.query_key_norm": {"RMSNorm of each head"}, "feedforward": {EXPERTS}}),
    Architecture(
        "olmoe",
        {
            "attention.query_key_norm": {"RMSNorm across heads"},
            "feedforward": {f"{EXPERTS} without renormalise"},
            "attention.key_value_heads": {"heads"},
            "attention.head_dim": {"dim / heads"},
        },
        untied=True,
    ),
    Architecture(
        "llama",
        {
            "attention.bias": {"none", "queries, keys and values", "all", "output"},
            "feedforward": {"SwiGLU", "SwiGLU with bias", EXPERTS},
            "position.scaling": FREQUENCIES,
        },
        neighbours=True,
        frequencies=True,
    ),
    Architecture(
        "arcee",
        {"feedforward": {"ReLUSquared"}, "attention.bias": {"none", "all"}, "position.scaling": FREQUENCIES},
        neighbours=True,
        frequencies=True,
    ),
    Architecture("smollm3", {"position": {"Rotary, null in every 4th layer"}}, neighbours=True),
    Architecture(
        "phi3",
        {
            "attention.head_dim": {"dim / heads"},
            "position.fraction": {"1", "a part"},
            "position.scaling": {"null", "LinearScaling", "YarnScaling", "LongRoPEScaling"},
        },
        joined=True,
        gate_in_up=True,
    ),
    Architecture(
        "gpt2",
        {
            **LAYER_NORM,
            "feedforward": GELU,
            "attention.bias": {"none", "queries, keys and values", "all", "output"},
            "position": {"NoPosition"},
            "position_embedding": {"LearnedPositions"},
        },
        joined=True,
        biases=NORMS | MATRICES,
    ),
    Architecture(
        "gptneox",
        {
            **LAYER_NORM,
            "block": {"PreNormBlock", "ParallelBlock"},
            "feedforward": GELU,
            "attention.bias": {"none", "queries, keys and values", "all", "output"},
            "position.fraction": {"1", "a part"},
        },
        joined=True,
        biases=NORMS | MATRICES,
        untied=True,
    ),
    Architecture(
        "stablelm",
        {**LAYER_NORM, "attention.bias": {"none", "queries, keys and values"}, "position.fraction": {"1", "a part"}},
        biases=NORMS,
        untied=True,
    ),
    Architecture(
        "olmo2",
        {
            "block": {"PostNormBlock"},
            "attention.query_key_norm": {"RMSNorm across heads"},
            "attention.head_dim": {"dim / heads"},
        },
        untied=True,
    ),
    Architecture("gemma", GEMMA),
    Architecture("gemma2", {**SANDWICH, "attention.cap": {"a number"}, "logit_cap": {"a number"}}),
    Architecture(
        "gemma3",
        {
            **SANDWICH,
            "attention.query_key_norm": {"RMSNorm of each head"},
            "position": {"Rotary", "Rotary, another with a window"},
            "position.scaling": {"null", "LinearScaling", "LinearScaling and null", "null and LinearScaling"},
        },
    ),
)


def architecture_of(facts: Mapping[str, Hashable], *, window: int = 0) -> Architecture:
    """Return the architecture that computes what a model computes.

    Args:
        facts: Facts about the model.
        window: The shortest window of its attention; 0 for none.

    Raises:
        ValueError: None does; it names the parts in the way of the nearest one.
    """
    fitting = [each for each in ARCHITECTURES if not each.faults(facts)]
    if fitting:
        return fitting[0]
    nearest = min(ARCHITECTURES, key=lambda each: len(each.faults(facts)))
    faults = nearest.faults(facts)
    shorter = window and any("attention.window" in fault for fault in faults)
    raise ValueError(
        f"format=gguf: no architecture of llama.cpp computes this model; {nearest.name}, the nearest, has no "
        f"{' and no '.join(faults)}: export it with format=huggingface or format=safetensors"
        f"{f', or with model.context={window}, up to which every layer sees the whole text' if shorter else ''}"
    )
