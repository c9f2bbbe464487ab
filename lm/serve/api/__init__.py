"""The HTTP side of `lm serve`: requests in OpenAI's form become those of an engine, and its updates become answers.

It needs the packages of the extra `serve`.
"""

from lm.serve.api.app import Api, build_app
from lm.serve.api.guard import Access
from lm.serve.api.served import Limits, Models, Served

__all__ = ["Access", "Api", "Limits", "Models", "Served", "build_app"]
