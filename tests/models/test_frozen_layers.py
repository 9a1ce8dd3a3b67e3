"""Frozen layers keep less, are fast in bfloat16, and give the same outputs and gradients."""

import copy

import pytest
import torch
from torch import nn

from seehear.diagnostics.step_cost import LiveBytes
from seehear.models import frozen_layers
from seehear.models.frozen_layers import linear, patch_layers


class Padding(nn.Conv1d):
    """A layer that is more than the convolution that it derives from."""

    def forward(self, x):
        return super().forward(nn.functional.pad(x, (2, 0)))


LAYERS = {
    "1d": (nn.Conv1d(4, 6, 3, padding=2, dilation=2), (2, 4, 20)),
    "strided": (nn.Conv2d(4, 8, 3, stride=2, padding=1), (2, 4, 9, 8)),
    "grouped": (nn.Conv2d(4, 8, 3, groups=2, bias=False), (2, 4, 9, 8)),
    "3d": (nn.Conv3d(3, 4, (2, 3, 3)), (1, 3, 4, 6, 6)),
    "transposed": (nn.ConvTranspose1d(4, 2, 8, stride=4, padding=2), (2, 4, 10)),
    "odd": (nn.ConvTranspose2d(4, 2, 3, stride=2, output_padding=1), (2, 4, 5, 5)),
    "reflecting": (nn.Conv1d(4, 6, 3, padding=1, padding_mode="reflect"), (2, 4, 20)),
    "linear": (nn.Linear(20, 6), (2, 4, 20)),
    "padding": (Padding(4, 6, 3), (2, 4, 20)),
    "same": (nn.Conv1d(4, 6, 3, padding="same"), (2, 4, 20)),
}
UNTOUCHED = ("reflecting", "same", "padding")


def frozen(layer, *, is_forgetful):
    network = nn.Sequential(copy.deepcopy(layer), nn.SiLU()).requires_grad_(False)
    if is_forgetful:
        patch_layers(network)
    return network


def through(network, x):
    x = x.clone().requires_grad_()
    y = network(x)
    y.square().sum().backward()
    return y.detach(), x.grad


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_outputs_and_gradients_are_the_same_bit_for_bit(name, dtype, monkeypatch):
    monkeypatch.setattr(frozen_layers, "computes_bfloat16", lambda: True)
    layer, shape = LAYERS[name]
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=dtype)
    plain, forgetful = (
        frozen(copy.deepcopy(layer).to(dtype), is_forgetful=f) for f in (False, True)
    )
    for wanted, got in zip(through(plain, x), through(forgetful, x), strict=True):
        assert torch.equal(wanted, got)


@pytest.mark.parametrize("name", [n for n in LAYERS if n not in UNTOUCHED])
def test_bfloat16_without_instructions_is_float32_rounded_once(name, monkeypatch):
    monkeypatch.setattr(frozen_layers, "computes_bfloat16", lambda: False)
    layer, shape = LAYERS[name]
    layer = copy.deepcopy(layer).bfloat16().requires_grad_(False)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.bfloat16)
    exact = copy.deepcopy(layer).float()
    patch_layers(layer)
    narrow, wide = x.clone().requires_grad_(), x.float().requires_grad_()
    for y in (layer(narrow), exact(wide)):
        y.backward(torch.ones_like(y))
    assert torch.equal(layer(narrow), exact(wide).bfloat16())
    assert torch.equal(narrow.grad, wide.grad.bfloat16())
    with torch.no_grad():
        assert torch.equal(layer(narrow), exact(wide).bfloat16())


def test_no_wide_copy_of_weights_waits_for_the_backward_pass(monkeypatch):
    monkeypatch.setattr(frozen_layers, "computes_bfloat16", lambda: False)
    weight = torch.randn(400, 400).bfloat16()
    x = torch.randn(2, 400).bfloat16().requires_grad_()
    with LiveBytes() as live:
        y = linear(x, weight, None)
        assert live.now < weight.nbytes / 10
    y.sum().backward()
    assert x.grad.isfinite().all()


def test_inputs_are_not_kept():
    network = [nn.Sequential(*(nn.Conv1d(8, 8, 3) for _ in range(5))) for _ in range(2)]
    for n in network:
        n.requires_grad_(False)
    patch_layers(network[1])
    kept = []
    for n in network:
        x = torch.ones(1, 8, 1000, requires_grad=True)
        with LiveBytes() as live:
            y = n(x)
            kept.append(live.now)
            del y
    assert kept[1] < 0.3 * kept[0]


def test_layers_that_learn_are_left_alone_and_twice_is_once():
    network = nn.Sequential(nn.Conv1d(2, 2, 1), nn.Conv1d(2, 2, 1))
    network[1].requires_grad_(False)
    patch_layers(network)
    patch_layers(network)
    assert "forward" not in vars(network[0])
    through(network, torch.randn(1, 2, 5))
    assert network[0].weight.grad is not None
    assert vars(network[1])["forward"].args[1].__func__ is nn.Conv1d.forward
    network[1].bias.requires_grad_(True)  # somebody trains it after all
    through(network, torch.randn(1, 2, 5))
    assert network[1].bias.grad is not None


@pytest.mark.parametrize("name", ["linear", "1d"])
def test_the_argument_may_be_named(name):
    layer, shape = LAYERS[name]
    x = torch.randn(shape)
    assert torch.equal(frozen(layer, is_forgetful=True)[0](input=x), layer(x))


def test_without_gradients_it_is_the_plain_layer():
    layer, shape = LAYERS["1d"]
    network = frozen(layer, is_forgetful=True)
    with torch.no_grad():
        assert network(torch.randn(shape)).grad_fn is None
