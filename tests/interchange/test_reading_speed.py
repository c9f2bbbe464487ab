"""Reading a model of 1 GB takes little more time and memory than its bytes do."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

DIM, HIDDEN, LAYERS, VOCABULARY = 2048, 5504, 8, 32000
MEASURED = """
import os, resource, sys, time
import torch
from safetensors.torch import load_file
from lm.interchange import HuggingFaceModel

torch.set_num_threads(1)
folder, dtype = sys.argv[1:]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
started = time.perf_counter()
if dtype == "load_file":
    weights = [*load_file(f"{folder}/model.safetensors").values()]
else:
    model = HuggingFaceModel(folder, dtype=None if dtype == "kept" else dtype).build()
    weights = [*model.parameters()]
touched = sum(float(weight.detach().view(torch.uint8).flatten()[::4096].sum()) for weight in weights)
seconds = time.perf_counter() - started
size = sum(weight.numel() * weight.element_size() for weight in weights)
print(seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / size)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("large")

    def weight(*shape: int) -> torch.Tensor:
        return torch.randint(-100, 100, shape, dtype=torch.int8).to(torch.bfloat16) / 1000

    heads = {f"self_attn.{kind}_proj": (DIM, DIM) for kind in "qkvo"}
    forward = {"mlp.gate_proj": (HIDDEN, DIM), "mlp.up_proj": (HIDDEN, DIM), "mlp.down_proj": (DIM, HIDDEN)}
    norms = {"input_layernorm": (DIM,), "post_attention_layernorm": (DIM,)}
    shapes = {"model.embed_tokens": (VOCABULARY, DIM), "lm_head": (VOCABULARY, DIM), "model.norm": (DIM,)}
    for layer in range(LAYERS):
        shapes |= {f"model.layers.{layer}.{name}": shape for name, shape in (heads | forward | norms).items()}
    save_file({f"{name}.weight": weight(*shape) for name, shape in shapes.items()}, made / "model.safetensors")
    sizes = {"vocab_size": VOCABULARY, "hidden_size": DIM, "intermediate_size": HIDDEN, "num_hidden_layers": LAYERS}
    fields = {"num_attention_heads": 16, "max_position_embeddings": 2048, "rope_theta": 10000.0}
    (made / "config.json").write_text(json.dumps({"architectures": ["LlamaForCausalLM"], **sizes, **fields}))
    return made


def measured(folder: Path, dtype: str) -> tuple[float, float]:
    """Seconds of reading, and growth of the peak memory over the size of the weights."""
    command = [sys.executable, "-c", MEASURED, str(folder), dtype]
    seconds, growth = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(seconds), float(growth)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["kept", "float16", "float32"])
def test_memory_is_that_of_the_weights(folder, dtype):
    assert measured(folder, dtype)[1] < 1.2


@pytest.mark.slow
def test_reading_takes_the_time_of_load_file(folder):
    pairs = [(measured(folder, "load_file")[0], measured(folder, "kept")[0]) for _ in range(5)]
    ours, theirs = min(each[1] for each in pairs), min(each[0] for each in pairs)
    assert ours < 1.5 * theirs + 0.1  # building a model of 8 layers takes some hundredths of a second
