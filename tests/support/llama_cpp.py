"""llama.cpp itself, from the wheel xllamacpp: it opens the GGUF files that we write, in this process."""

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest


class LlamaCpp:
    """llama.cpp with one GGUF file, exact: keys and values in f32, no fused attention, one thread."""

    def __init__(self, path: Path):
        library = pytest.importorskip("xllamacpp", reason="needs llama.cpp: pip install 'lightning-lm[test]'")
        settings = library.CommonParams()
        settings.model.path = str(path)
        settings.n_parallel, settings.n_gpu_layers, settings.verbosity = 1, 0, -1
        settings.warmup = settings.ui = settings.fit_params = False
        settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = settings.n_threads_http = 1
        settings.cache_type_k = settings.cache_type_v = library.ggml_type.GGML_TYPE_F32
        settings.flash_attn_type = library.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self.server = library.Server(settings)

    def _ask(self, path: str, **body: Any) -> dict:
        request = urllib.request.Request(
            self.server.listening_address + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def encode(self, text: str, *, special: bool = False, begin: bool = False) -> list[int]:
        """The ids of a text, which does or does not name special tokens, with or without what begins a prompt."""
        return self._ask("/tokenize", content=text, parse_special=special, add_special=begin)["tokens"]

    def render(self, messages: list[dict]) -> str:
        """The text that the chat template in the file makes of messages."""
        return self._ask("/apply-template", messages=messages)["prompt"]

    def generate(self, prompt: str | list[int], tokens: int) -> dict:
        """The greedy continuation: its `content` and `tokens`."""
        options = {"temperature": 0, "samplers": ["temperature"], "cache_prompt": False, "return_tokens": True}
        return self._ask("/completion", prompt=prompt, n_predict=tokens, **options)

    def log_probabilities(self, prompt: list[int], count: int) -> dict[int, float]:
        """Id → log-probability of each of `count` tokens after a prompt."""
        options = {"temperature": 0, "samplers": ["temperature"], "cache_prompt": False}
        answer = self._ask("/completion", prompt=prompt, n_predict=1, n_probs=count, **options)
        return {each["id"]: each["logprob"] for each in answer["completion_probabilities"][0]["top_logprobs"]}
