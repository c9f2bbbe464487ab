"""GGUF files, which llama.cpp, Ollama and LM Studio open: architecture, weights, tokenizer and template in one."""

from lm.interchange.gguf.export import GGUF

__all__ = ["GGUF"]
