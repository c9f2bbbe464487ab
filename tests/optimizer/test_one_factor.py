"""The scheduler of a run sets the rates of torch's LambdaLR, and has its state."""

import torch
from torch.optim.lr_scheduler import LambdaLR

from lm.optimizer import OneFactor, warmup_stable_decay


def stepped(scheduler_class: type[LambdaLR], state: dict | None = None, *, steps: int = 12) -> tuple[list, dict]:
    """The rates of each step, and the state after them."""
    groups = [{"params": [torch.nn.Parameter(torch.ones(2))], "lr": rate} for rate in (0.02, 0.003)]
    optimizer = torch.optim.SGD(groups)
    scheduler, rates = scheduler_class(optimizer, lambda step: warmup_stable_decay(step, 30)), []
    if state:
        scheduler.load_state_dict(state)
    for _ in range(steps):
        optimizer.step()
        scheduler.step()
        rates.append([group["lr"] for group in optimizer.param_groups])
    return rates, scheduler.state_dict()


def test_rates_and_state_are_those_of_torch_from_the_start_and_resumed():
    (ours, state), (torchs, their_state) = stepped(OneFactor), stepped(LambdaLR)
    assert ours == torchs
    assert state == their_state
    assert stepped(OneFactor, their_state, steps=9) == stepped(LambdaLR, state, steps=9)
