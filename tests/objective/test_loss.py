import pytest
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from lm.model import Projection
from lm.objective.loss import summed_cross_entropy, target_losses, target_losses_and_entropies


def parts(targets=37, dim=8, vocabulary=19, dtype=torch.float64):
    torch.manual_seed(0)
    hidden = torch.randn(targets, dim, dtype=dtype, requires_grad=True)
    weight = torch.randn(vocabulary, dim, dtype=dtype, requires_grad=True)
    return hidden, weight, torch.randint(0, vocabulary, (targets,))


@pytest.mark.parametrize("chunk", [1, 7, 37, 1000])
@pytest.mark.parametrize("cap", [None, 2.0])
def test_chunked_loss_and_gradients_equal_plain_cross_entropy(chunk, cap):
    hidden, weight, targets = parts()
    projection = Projection(weight, cap)
    plain = F.cross_entropy(projection.logits(hidden), targets, reduction="sum")
    expected = torch.autograd.grad(plain * 0.37, (hidden, weight))
    chunked = summed_cross_entropy(hidden, projection, targets, chunk=chunk)
    found = torch.autograd.grad(chunked * 0.37, (hidden, weight))
    torch.testing.assert_close(chunked, plain, rtol=1e-12, atol=0)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("chunk", [7, 1000])
@pytest.mark.parametrize("cap", [None, 2.0])
def test_loss_weights_weigh_each_target(chunk, cap):
    hidden, weight, targets = parts()
    projection = Projection(weight, cap)
    loss_weights = torch.rand(len(targets)) * (torch.rand(len(targets)) < 0.7)
    plain = (F.cross_entropy(projection.logits(hidden), targets, reduction="none") * loss_weights).sum()
    expected = torch.autograd.grad(plain * 0.37, (hidden, weight))
    chunked = summed_cross_entropy(hidden, projection, targets, loss_weights=loss_weights, chunk=chunk)
    torch.testing.assert_close(chunked, plain, rtol=1e-12, atol=0)
    for one, other in zip(torch.autograd.grad(chunked * 0.37, (hidden, weight)), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_loss_weights_of_one_change_nothing():
    hidden, weight, targets = parts(dtype=torch.float32)
    weightings = (None, torch.ones(len(targets)))
    found = [summed_cross_entropy(hidden, Projection(weight), targets, loss_weights=each) for each in weightings]
    assert torch.equal(*found)
    gradients = [torch.autograd.grad(each, (hidden, weight)) for each in found]
    assert all(map(torch.equal, *gradients))


@pytest.mark.parametrize("frozen", ["hidden", "weight"])
def test_frozen_weights_cost_no_gradient_and_change_none(frozen):
    hidden, weight, targets = parts()
    both = torch.autograd.grad(summed_cross_entropy(hidden, Projection(weight), targets), (hidden, weight))
    wanted = dict(zip(("hidden", "weight"), both, strict=True))
    given = {"hidden": hidden, "weight": weight}
    given.pop(frozen).requires_grad_(False)
    (trained,) = given
    with FlopCounterMode(display=False) as counter:
        loss = summed_cross_entropy(hidden, Projection(weight), targets)
    (found,) = torch.autograd.grad(loss, given.values())
    assert torch.equal(found, wanted[trained])
    assert counter.get_total_flops() == 2 * 2 * hidden.numel() * len(weight), "the logits and one gradient"


def test_no_targets_give_zero_and_zero_gradients():
    hidden, weight, targets = parts(targets=0)
    loss = summed_cross_entropy(hidden, Projection(weight), targets)
    loss.backward()
    assert loss == 0
    assert (weight.grad == 0).all()


def test_large_logits_stay_finite():
    hidden, weight, targets = parts(dtype=torch.float32)
    loss = summed_cross_entropy(hidden * 1e4, Projection(weight), targets)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(weight.grad).all()


def test_target_losses_sum_to_the_loss():
    hidden, weight, targets = parts()
    losses = target_losses(hidden, Projection(weight), targets, chunk=5)
    assert losses.shape == (37,)
    torch.testing.assert_close(losses.sum(), summed_cross_entropy(hidden, Projection(weight), targets))


@pytest.mark.parametrize("chunk", [5, 1000])
@pytest.mark.parametrize("cap", [None, 2.0])
def test_entropies_of_the_same_pass_are_those_of_the_softmax_and_leave_the_losses_alone(chunk, cap):
    hidden, weight, targets = parts()
    projection = Projection(weight, cap)
    losses, entropies = target_losses_and_entropies(hidden, projection, targets, chunk=chunk)
    torch.testing.assert_close(losses, target_losses(hidden, projection, targets, chunk=chunk), rtol=0, atol=0)
    log = (projection.logits(hidden)).log_softmax(-1)
    torch.testing.assert_close(entropies, -(log.exp() * log).sum(-1), rtol=1e-10, atol=1e-10)
    assert losses.requires_grad
    assert not entropies.requires_grad
    far = target_losses_and_entropies(hidden * 1e4, projection, targets)[1]
    assert torch.isfinite(far).all()  # most probabilities are 0


def test_bfloat16_inputs_are_summed_in_fp32():
    hidden, weight, targets = parts(dtype=torch.bfloat16)
    loss = summed_cross_entropy(hidden, Projection(weight), targets)
    loss.backward()
    assert loss.dtype == torch.float32
    assert weight.grad.dtype == torch.bfloat16


@pytest.mark.parametrize("chunk", [1, 7, 37, 1000])
@pytest.mark.parametrize("cap", [None, 2.0])
def test_what_becomes_of_single_losses_gives_the_gradients_of_plain_cross_entropy(chunk, cap):
    """Their factors are known only after the forward pass, as those of a product of probabilities."""
    hidden, weight, targets = parts()
    projection = Projection(weight, cap)
    plain = F.cross_entropy(projection.logits(hidden), targets, reduction="none")
    expected = torch.autograd.grad(plain[:20].sum().exp() * 1e-20 + plain.square().sum(), (hidden, weight))
    found = target_losses(hidden, projection, targets, chunk=chunk)
    torch.testing.assert_close(found, plain, rtol=1e-12, atol=0)
    gradients = torch.autograd.grad(found[:20].sum().exp() * 1e-20 + found.square().sum(), (hidden, weight))
    for one, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_the_gradient_of_summed_target_losses_is_that_of_the_summed_loss_under_autocast_too():
    gradients = []
    for summed in (True, False):
        hidden, weight, targets = parts(dtype=torch.float32)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = summed_cross_entropy(hidden, Projection(weight), targets)
            loss = loss if summed else target_losses(hidden, Projection(weight), targets).sum()
        gradients.append(torch.autograd.grad(loss, (hidden, weight)))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_no_target_losses_give_zero_gradients():
    hidden, weight, targets = parts(targets=0)
    target_losses(hidden, Projection(weight), targets).sum().backward()
    assert (weight.grad == 0).all()
