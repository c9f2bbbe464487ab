"""`${ladder.…}` in YAML: what follows from the size of a model, for keys that stand elsewhere in the config."""

from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError

from lm.bounds import Count, Positive
from lm.config import ladder
from lm.config.faults import Fault
from lm.config.hints import fit


class UnresolvedError(InterpolationResolutionError):
    """`key: what is wrong`: a value that a rule cannot begin with, told at its own key, not where the rule is used."""

    @property
    def fault(self) -> Fault:
        key, _, told = str(self).splitlines()[0].partition(": ")  # OmegaConf makes it anew, with lines of its own below
        return Fault(key, told)


def register_resolvers() -> None:
    """Make the rules of the ladder known to OmegaConf."""
    rules = (width, heads, batch_tokens, learning_rate, weight_decay)
    for rule in rules:
        OmegaConf.register_new_resolver(f"ladder.{rule.__name__}", rule, replace=True)


def width(depth: Any, *, _parent_: DictConfig) -> int:
    return ladder.width(_fitting(depth, Count, _parent_, "depth"))


def heads(dim: Any, *, _parent_: DictConfig) -> int:
    return ladder.heads(_fitting(dim, Count, _parent_._get_parent(), "dim"))


def batch_tokens(model: Any, *, _parent_: DictConfig) -> int:
    sizes = _sizes(model)
    context = _fitting(model.get("context"), Count, model, "context")
    return ladder.batch_tokens(*sizes, context=context, tokens_per_parameter=_tokens_per_parameter(_parent_))


def learning_rate(model: Any, budget: Any) -> float:
    return ladder.learning_rate(*_sizes(model), tokens_per_parameter=_tokens_per_parameter(budget))


def weight_decay(model: Any, budget: Any, *, _parent_: DictConfig) -> float:
    return ladder.weight_decay(
        *_sizes(model),
        learning_rate=_fitting(_parent_.get("learning_rate"), Positive, _parent_, "learning_rate"),
        batch_tokens=_fitting(budget.get("batch_tokens"), Count, budget, "batch_tokens"),
        tokens_per_parameter=_tokens_per_parameter(budget),
    )


def _sizes(model: Any) -> tuple[int, int]:
    """The depth and the width that a model's node says: one of the ladder, or any other with layers."""
    if not isinstance(model, DictConfig) or "dim" not in model:
        key = model._get_full_key(None) if isinstance(model, DictConfig) else "model"
        raise UnresolvedError(
            f"{key}: says no depth and dim, by which optimizer=ladder and budget=ladder go: choose others"
        )
    depth = "depth" if "depth" in model else "layers"
    return _fitting(model.get(depth), Count, model, depth), _fitting(model.get("dim"), Count, model, "dim")


def _tokens_per_parameter(budget: DictConfig) -> float:
    """As the budget says; the usual number where it says its length otherwise."""
    given = budget.get("tokens_per_parameter")
    fallback = ladder.TOKENS_PER_PARAMETER
    return fallback if given is None else _fitting(given, Positive, budget, "tokens_per_parameter")


def _fitting(value: Any, hint: Any, node: DictConfig, key: str) -> Any:
    """The value as `hint` wants it; refused in the very words of the signature that it stands in for."""
    fitted, complaint = fit(value, hint)
    if complaint:
        raise UnresolvedError(f"{node._get_full_key(key)}: {complaint}")
    return fitted
