"""Negative prompts: the prediction is extrapolated away from them."""

import pytest
import torch
from tests.contracts.small import small_mm_diffusion

from seehear.errors import SettingsError
from seehear.guidance.prompts import embed_prompts
from seehear.models.backbones import gaussian

SCALE = 2.5


def estimate(backbone, y, scale=SCALE):
    z = backbone.prior(2.0, 2, torch.Generator().manual_seed(0))
    return backbone.predict(z, backbone.levels(10)[4], y, scale).x0


def test_the_prediction_is_extrapolated_from_the_negative_prompt():
    backbone = gaussian.load()
    y = embed_prompts(backbone, ["rain", "rain"], "music")
    rain, music = (
        estimate(backbone, backbone.embed_prompt([prompt] * 2), 1.0) for prompt in ("rain", "music")
    )
    torch.testing.assert_close(estimate(backbone, y), music + SCALE * (rain - music))


def test_no_negative_prompt_means_the_empty_prompt():
    backbone = gaussian.load()
    expected = backbone.embed_prompt(["rain", ""])
    torch.testing.assert_close(embed_prompts(backbone, ["rain", ""]), expected, rtol=0, atol=0)


def test_a_model_without_prompts_refuses_a_negative_prompt():
    with pytest.raises(SettingsError, match="the audio model reads no prompts"):
        embed_prompts(small_mm_diffusion(), [""], "music")
