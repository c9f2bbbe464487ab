"""Models of other programs: written in their formats."""

from lm.interchange.format import Format, Published
from lm.interchange.onnx import ONNX

__all__ = ["ONNX", "Format", "Published"]
