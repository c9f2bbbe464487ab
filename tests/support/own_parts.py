"""Parts of a user's own package, for the tests of what a run may load."""

from torch import Tensor, nn

from lm.conversation import RoleTokenTemplate


class OneMatrix(nn.Module):
    """A feedforward of one matrix; `hidden` is what others have."""

    def __init__(self, dim: int, *, hidden: int | None = None, bias: bool = False) -> None:
        super().__init__()
        self.down = nn.Linear(dim, dim, bias=bias)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.down(inputs)


class Plain(RoleTokenTemplate):
    """A template that calls itself by its own name."""

    def describe(self) -> dict:
        return {"_target_": "support.own_parts.Plain"}
