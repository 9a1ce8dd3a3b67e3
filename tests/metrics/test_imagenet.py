"""EfficientNet-Lite2: its architecture, the folded batch norms, and files of other networks."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from seehear.errors import WeightsError
from seehear.evaluation.feature_networks import load_measure
from seehear.media import read_image
from seehear.metrics.features import imagenet
from seehear.metrics.features.protocol import EmbedsVideo
from seehear.models.binders.pocket.efficientnet import (
    LITE0_BLOCKS,
    EfficientNetLite0,
    blocks_of,
    folded_state,
)


def published_like(network, num_blocks):
    """A state dict with the published names, with random batch norms."""
    shapes = {k: v.shape for k, v in network.state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    pairs = {"stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1")}
    for k in range(num_blocks):
        for part, norm in (("expand", "_bn0"), ("depthwise", "_bn1"), ("project", "_bn2")):
            pairs[f"blocks.{k}.{part}"] = (f"_blocks.{k}._{part}_conv", f"_blocks.{k}.{norm}")
    state = {"_fc.weight": torch.zeros(1000, 1280), "_fc.bias": torch.zeros(1000)}
    for name, (conv, norm) in pairs.items():
        if f"{name}.weight" not in shapes:
            continue
        shape = shapes[f"{name}.weight"]
        state[f"{conv}.weight"] = torch.randn(shape, generator=generator)
        for part in ("weight", "bias", "running_mean"):
            state[f"{norm}.{part}"] = torch.randn(shape[0], generator=generator)
        state[f"{norm}.running_var"] = torch.rand(shape[0], generator=generator) + 0.1
    return state


def test_lite_variants_have_the_published_sizes():
    assert len(LITE0_BLOCKS) == 16
    assert sum(p.numel() for p in EfficientNetLite0().parameters()) == 4_631_000
    blocks = blocks_of(1.1, 1.2)
    assert len(blocks) == 21
    assert sum(p.numel() for p in EfficientNetLite0(blocks).parameters()) == 6_063_024


def test_a_folded_convolution_equals_convolution_and_batch_norm():
    state = published_like(EfficientNetLite0(), 16)
    ours = folded_state(state, 16)
    norm = nn.BatchNorm2d(32, eps=1e-3).eval()
    norm.load_state_dict({
        k: state[f"_bn0.{k}"] for k in ("weight", "bias", "running_mean", "running_var")
    }, strict=False)  # fmt: skip
    image = torch.randn(1, 3, 9, 9)
    expected = norm(functional.conv2d(image, state["_conv_stem.weight"]))
    found = functional.conv2d(image, ours["stem.weight"], ours["stem.bias"])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_weights_of_another_variant_are_refused(tmp_path):
    with pytest.raises(WeightsError, match="expected one efficientnet-lite2 file"):
        imagenet.load(tmp_path)
    path = tmp_path / "efficientnet-lite2-0.pth"
    torch.save({"a": torch.zeros(2)}, path)
    with pytest.raises(WeightsError, match="expected the weights of EfficientNet-Lite2"):
        imagenet.load(tmp_path)
    torch.save(published_like(EfficientNetLite0(), 16), path)
    with pytest.raises(WeightsError, match="expected the weights of EfficientNet-Lite2"):
        imagenet.load(path)


def test_the_installed_network_gives_the_recorded_class():
    measure = load_measure("imagenet")
    assert isinstance(measure.network, EmbedsVideo)
    image = read_image("examples/rooster.jpg").pixels[None, None] / 255
    found = measure.network.from_video(image, 1.0)
    assert found.embedding.shape == (1, 1280)
    assert found.logits.exp().sum() == pytest.approx(1, abs=1e-3)
    # The drawing is no photograph: the class is recorded, not right. `benchmarks.naming` measures
    # photographs.
    assert int(found.logits.argmax()) == 620
    # A clip of equal frames is the image.
    clip = measure.network.from_video(image.expand(-1, 16, -1, -1, -1), 8.0)
    torch.testing.assert_close(clip.logits, found.logits, atol=1e-4, rtol=1e-4)
