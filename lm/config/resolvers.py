"""`${ladder.…}` in YAML: settings that follow from the size of the model."""

from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError

from lm.bounds import Count, Positive
from lm.config import ladder
from lm.config.faults import Fault
from lm.config.hints import fit


class UnresolvedError(InterpolationResolutionError):
    """`key: message`: an input of a rule is faulty; reported at its own key, not where the rule is used."""

    @property
    def fault(self) -> Fault:
        key, _, message = str(self).splitlines()[0].partition(": ")  # OmegaConf appends lines
        return Fault(key, message)


def register_resolvers() -> None:
    """Register the rules of lm.config.ladder with OmegaConf."""
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
    """Depth and width of a model's node, whether it has `depth` or `layers`."""
    if not isinstance(model, DictConfig) or "dim" not in model:
        key = model._get_full_key(None) if isinstance(model, DictConfig) else "model"
        raise UnresolvedError(
            f"{key}: has no depth and dim, which optimizer=ladder and budget=ladder need: choose others"
        )
    depth = "depth" if "depth" in model else "layers"
    return _fitting(model.get(depth), Count, model, depth), _fitting(model.get("dim"), Count, model, "dim")


def _tokens_per_parameter(budget: DictConfig) -> float:
    """The ratio of the budget; the compute-optimal one if its length is given otherwise."""
    given = budget.get("tokens_per_parameter")
    fallback = ladder.TOKENS_PER_PARAMETER
    return fallback if given is None else _fitting(given, Positive, budget, "tokens_per_parameter")


def _fitting(value: Any, hint: Any, node: DictConfig, key: str) -> Any:
    """The value converted to `hint`; a misfit is reported as the check of signatures would report it."""
    fitted, complaint = fit(value, hint)
    if complaint:
        raise UnresolvedError(f"{node._get_full_key(key)}: {complaint}")
    return fitted
