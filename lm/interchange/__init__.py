"""Models of other programs: read from their folders, and written in their formats."""

from lm.interchange.adapter import PeftAdapter
from lm.interchange.format import Format, Published
from lm.interchange.huggingface import HuggingFace, Safetensors
from lm.interchange.onnx import ONNX
from lm.interchange.opening import context_of, load_model, open_model, optional_model
from lm.interchange.source import HuggingFaceModel

__all__ = [
    "ONNX",
    "Format",
    "HuggingFace",
    "HuggingFaceModel",
    "PeftAdapter",
    "Published",
    "Safetensors",
    "context_of",
    "load_model",
    "open_model",
    "optional_model",
]
