"""Six planted faults, each found in its place; none found in models that are well."""

import pytest
import torch
from small_family import small_family, write_small
from torch import nn

from seehear.cli import main
from seehear.diagnostics.doctor import Link, chains_of, check_gradients
from seehear.diagnostics.doctor import machine as machine_module
from seehear.diagnostics.doctor.machine import (
    codec_checks,
    device_check,
    dtype_check,
    machine_checks,
)
from seehear.models.frozen_layers import freeze


class Layer(nn.Module):
    """A layer that can be made to do something wrong."""

    def __init__(self, size: int, fault=None):
        super().__init__()
        self.linear = nn.Linear(size, size)
        self.conv = nn.Conv1d(1, 1, 1)  # frozen ones have a backward pass of their own
        nn.init.ones_(self.conv.weight)
        self.fault = fault

    def forward(self, x):
        y = self.linear(self.conv(x[:, None])[:, 0])
        return y if self.fault is None else self.fault(x, y)


def network(fault=None):
    torch.manual_seed(0)
    layers = nn.Sequential(Layer(8), Layer(8, fault), Layer(8))
    freeze(layers)
    return layers


def links_with(fault, dtype=torch.float32):
    good, bad = network().to(dtype), network(fault).to(dtype)
    return (
        Link(name="decoder", run=good, modules={"decoder": good}),
        Link(name="vocoder", run=bad, modules={"vocoder": bad}),
        Link(name="binder", run=good, modules={"binder": good}),
    )


def examined(fault, dtype=torch.float32, loss_scale=1.0):
    torch.manual_seed(1)
    start = torch.randn(2, 8, dtype=dtype)
    return check_gradients(links_with(fault, dtype), start, lambda e: loss_scale * e.square().sum())


def without_grad(x, y):
    with torch.no_grad():
        return y * 2


def in_place(x, y):
    squashed = torch.sigmoid(y)
    kept = squashed * 1.0
    squashed.add_(1.0)  # its own gradient needs it as it was
    return kept


FAULTS = {
    "no_grad": (without_grad, "detached", "vocoder.1"),
    "detach": (lambda x, y: y.detach() + 1, "detached", "vocoder.1"),
    "integer cast": (lambda x, y: (100 * y).long() / 100, "cast to integers", "vocoder.1"),
    "frozen input": (lambda x, y: torch.ones_like(y), "ignores its input", "vocoder.1"),
    "nan": (lambda x, y: y / 0 * 0, "not finite", "vocoder.1"),
    "nan of the gradient": (lambda x, y: (y * 0).abs().sqrt(), "not finite", "vocoder.1.linear"),
    "rounded": (lambda x, y: (8 * y).round() / 8, "dead", "vocoder.1.linear"),
    "in place": (in_place, "edits in place", None),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_in_its_link_and_part_and_nowhere_else(name):
    fault, kind, part = FAULTS[name]
    found, _ = examined(fault)
    assert {f.link for f in found} == {"vocoder"}, [str(f) for f in found]
    assert kind in {f.fault for f in found}, [str(f) for f in found]
    if part is not None:
        assert part in {f.part for f in found}, [str(f) for f in found]


def test_a_link_that_edits_what_it_is_given_is_told():
    found, _ = check_gradients(
        (Link(name="decoder", run=lambda x: x.mul_(2)),), torch.ones(1, 8), torch.sum
    )
    assert [(f.link, f.fault) for f in found] == [("decoder", "edits in place")]


def test_gradients_too_small_for_half_precision_are_an_underflow():
    found, _ = examined(lambda x, y: y * 2e-7, dtype=torch.float16)
    assert {(f.link, f.fault) for f in found} == {("vocoder", "underflow")}
    assert "bfloat16 or float32" in found[0].detail
    assert examined(lambda x, y: y * 2e-7, dtype=torch.bfloat16)[0] == []


def test_a_link_without_fault_has_no_finding_and_the_true_gradient():
    found, flows = examined(None)
    assert found == []
    torch.manual_seed(1)
    start = torch.randn(2, 8, requires_grad=True)
    value = start
    for link in links_with(None):
        value = link.run(value)
    (expected,) = torch.autograd.grad(value.square().sum(), start)
    assert flows[0].link == "decoder"
    assert flows[0].gradient_rms == pytest.approx(float(expected.square().mean().sqrt()), rel=1e-5)


def test_weights_that_are_not_frozen_are_told():
    link = Link(name="vocoder", run=(module := network().requires_grad_(True)),
                modules={"vocoder": module})  # fmt: skip
    found, _ = check_gradients((link,), torch.randn(1, 8), lambda e: e.sum())
    assert [f.fault for f in found] == ["not frozen"]


def test_a_link_that_breaks_is_a_finding_and_ends_the_walk():
    def broken(x):
        raise RuntimeError("sizes differ\nand more")

    found, flows = check_gradients(
        (Link(name="vocoder", run=broken),), torch.randn(1, 8), lambda e: e.sum()
    )
    assert [str(f) for f in found] == ["vocoder: fails: sizes differ"]
    assert flows == []


def test_small_models_of_the_papers_classes_are_well(tmp_path):
    family = small_family(write_small(tmp_path))
    for chain in chains_of(family, ("audio",)):
        found, flows = chain.walk()
        assert found == [], [str(f) for f in found]
        assert all(flow.gradient_rms > 0 for flow in flows)


def test_a_no_grad_in_the_vocoder_of_a_real_model_is_found(tmp_path):
    family = small_family(write_small(tmp_path))
    vocoder = family.audio.vocoder
    vocoder.forward = torch.no_grad()(vocoder.forward)
    by_waveform = chains_of(family, ("audio",))[0]
    found, _ = by_waveform.walk()
    assert [(f.link, f.fault) for f in found] == [("vocoder", "detached")]


def test_the_machine_is_looked_at():
    checks = {check.name: check for check in machine_checks("cpu", torch.float32)}
    assert set(checks) == {"device", "dtype", "memory", "disk", "codecs"}
    assert all(check.is_fine for check in checks.values())
    assert "libx264" in checks["codecs"].detail


def test_a_device_format_or_codec_that_is_missing_is_told(monkeypatch):
    assert not device_check("cuda:99").is_fine
    assert "bfloat16" in dtype_check("cpu", torch.float16).detail
    monkeypatch.setattr(machine_module, "_can_encode", lambda codec: codec != "aac")
    (check,) = codec_checks()
    assert not check.is_fine
    assert ".mp4" in check.detail


def test_the_command_says_that_all_is_well(capsys, tmp_path):
    assert main(["doctor", "--part", "audio", "--json", str(tmp_path / "d.json")]) == 0
    said = capsys.readouterr().out
    assert "ok   audio latents, by waveform: gradient audio denoiser " in said
    assert "pocket: all checks passed" in said
    assert '"is_healthy": true' in (tmp_path / "d.json").read_text()
