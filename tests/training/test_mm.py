"""What the joint model learns from."""

import torch
from training.mm.clips import DURATION_S, SAMPLE_RATE, SAMPLES
from training.mm.unet import model_config, network_config, noise_losses

from seehear.models.backbones.mm_diffusion import linear_alphas_cumprod
from seehear.models.coupled_unet import CoupledUNet


def test_audio_and_frames_of_a_clip_have_the_same_length():
    sizes, config = network_config(), model_config()
    assert round(DURATION_S * SAMPLE_RATE) == SAMPLES
    assert sizes.frames / config.fps == DURATION_S


def test_a_new_network_predicts_no_noise_so_its_errors_are_the_noises_variance():
    network = CoupledUNet(network_config())
    video, audio = torch.zeros(1, 16, 3, 32, 32), torch.zeros(1, 1, SAMPLES)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        losses = noise_losses(network, video, audio, linear_alphas_cumprod().float(), generator)
    for loss in losses.values():
        assert abs(float(loss) - 1) < 0.05
