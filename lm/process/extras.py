"""Optional packages: which of our extras brings the one that is not there."""

import re
from importlib.metadata import PackageNotFoundError, requires


def remedy(error: ImportError) -> str:
    """`; pip install 'lm[…]'` where an extra brings the package that `error` names, and nothing where none does."""
    try:
        requirements = requires("lm") or []
    except PackageNotFoundError:  # run from a checkout that is not installed
        return ""
    for requirement in requirements:
        package = re.match(r"[\w-]+", requirement)[0].replace("-", "_")
        extra = re.search(r"extra == ['\"]([\w-]+)", requirement)
        if extra and re.search(rf"\b{package}\b", error.name or str(error)):
            return f"; pip install 'lm[{extra[1]}]'"
    return ""
