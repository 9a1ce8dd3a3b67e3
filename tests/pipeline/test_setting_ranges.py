"""Settings that a stranger's manifest can contain are refused before they cost memory or time."""

import pytest

from seehear.errors import SettingsError
from seehear.guidance.settings import (
    AlignerConfig,
    FrameSampling,
    ImageAugmentation,
    MelAugmentation,
    SamplingSettings,
)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (MelAugmentation, {"pitch": 1e300}),
        (MelAugmentation, {"shift": 1e300}),
        (MelAugmentation, {"tone": float("nan")}),
        (MelAugmentation, {"per_step": 10**6}),
        (ImageAugmentation, {"colour": 1e300}),
        (ImageAugmentation, {"mixing": float("inf")}),
        (ImageAugmentation, {"per_step": 10**6}),
        (AlignerConfig, {"num_updates": 10**9}),
        (AlignerConfig, {"lr_latents": 1e300}),
        (AlignerConfig, {"lr_prompt": {"audio": float("nan")}, "through_denoiser": True}),
        (SamplingSettings, {"num_steps": 10**9}),
        (SamplingSettings, {"guidance_scale": 1e300}),
        (FrameSampling, {"per_step": 10**9}),
    ],
)
def test_a_number_out_of_range_is_refused(kind, settings):
    with pytest.raises(SettingsError, match="expected"):
        kind(**settings)
