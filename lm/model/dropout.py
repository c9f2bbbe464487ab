"""Dropout off, for objectives that compare probabilities of one model at two times."""

from torch import nn


def switch_off_dropout(model: nn.Module) -> None:
    """Set every dropout of the model to 0, adapters included, in training mode too; its description stays."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
