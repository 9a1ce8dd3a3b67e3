"""Frozen convolutions forget their inputs and give the same gradients, bit for bit."""

import copy

import pytest
import torch
from torch import nn

from seehear.costs import LiveBytes
from seehear.frozen import forget_inputs

LAYERS = {
    "1d": (nn.Conv1d(4, 6, 3, padding=2, dilation=2), (2, 4, 20)),
    "strided": (nn.Conv2d(4, 8, 3, stride=2, padding=1), (2, 4, 9, 8)),
    "grouped": (nn.Conv2d(4, 8, 3, groups=2, bias=False), (2, 4, 9, 8)),
    "3d": (nn.Conv3d(3, 4, (2, 3, 3)), (1, 3, 4, 6, 6)),
    "transposed": (nn.ConvTranspose1d(4, 2, 8, stride=4, padding=2), (2, 4, 10)),
    "odd": (nn.ConvTranspose2d(4, 2, 3, stride=2, output_padding=1), (2, 4, 5, 5)),
    "reflecting": (nn.Conv1d(4, 6, 3, padding=1, padding_mode="reflect"), (2, 4, 20)),
    "same": (nn.Conv1d(4, 6, 3, padding="same"), (2, 4, 20)),
}


def frozen(layer, *, is_forgetful):
    network = nn.Sequential(copy.deepcopy(layer), nn.SiLU()).requires_grad_(False)
    if is_forgetful:
        forget_inputs(network)
    return network


def through(network, x):
    x = x.clone().requires_grad_()
    y = network(x)
    y.square().sum().backward()
    return y.detach(), x.grad


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_outputs_and_gradients_are_the_same_bit_for_bit(name, dtype):
    layer, shape = LAYERS[name]
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=dtype)
    plain, forgetful = (
        frozen(copy.deepcopy(layer).to(dtype), is_forgetful=f) for f in (False, True)
    )
    for wanted, got in zip(through(plain, x), through(forgetful, x), strict=True):
        assert torch.equal(wanted, got)


def test_inputs_are_not_kept():
    network = [nn.Sequential(*(nn.Conv1d(8, 8, 3) for _ in range(5))) for _ in range(2)]
    for n in network:
        n.requires_grad_(False)
    forget_inputs(network[1])
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
    forget_inputs(network)
    forget_inputs(network)
    assert "forward" not in vars(network[0])
    through(network, torch.randn(1, 2, 5))
    assert network[0].weight.grad is not None
    assert vars(network[1])["forward"].args[1].__func__ is nn.Conv1d.forward


def test_without_gradients_it_is_the_plain_layer():
    layer, shape = LAYERS["1d"]
    network = frozen(layer, is_forgetful=True)
    with torch.no_grad():
        assert network(torch.randn(shape)).grad_fn is None
