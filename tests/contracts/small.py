"""A small instance of every plug-in that can be built on a CPU in a moment, by module name.

Whoever adds a plug-in adds its builder here, and the contract tests pick it up.
"""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import golden_numbers as golden
import torch
from tiny_animatediff import write_animatediff
from tiny_audioldm import write_model

from seehear.guidance.protocols import Backbone, Binder
from seehear.models.backbones import animatediff, audioldm, gaussian
from seehear.models.backbones.animatediff import AnimateDiff
from seehear.models.backbones.audioldm import AudioLDM
from seehear.models.backbones.mm_diffusion import ConditionedStream, MMDiffusion, MMDiffusionConfig
from seehear.models.binders import linear, pocket
from seehear.models.binders.imagebind import ImageBind
from seehear.models.binders.imagebind.tokenizer import Tokenizer
from seehear.models.coupled_unet import CoupledUNet, CoupledUNetConfig


def small_audioldm() -> AudioLDM:
    """Real classes, random weights, written to disk and read back; its own length is 1.28 s."""
    with TemporaryDirectory() as folder:
        write_model(Path(folder) / "audio", extra_index={"_native_duration_s": 1.28})
        return audioldm.load(Path(folder) / "audio", dtype=torch.float64)


def small_animatediff() -> AnimateDiff:
    """Four frames of a random Stable Diffusion with random motion modules."""
    with TemporaryDirectory() as folder:
        write_animatediff(Path(folder) / "video")
        return animatediff.load(Path(folder) / "video", dtype=torch.float64)


def small_imagebind() -> ImageBind:
    """The golden numbers' towers, with a vocabulary of letters."""
    with TemporaryDirectory() as folder:
        return golden.imagebind(1.0, 3, Tokenizer(golden.write_letters(Path(folder))))


def small_mm_diffusion() -> ConditionedStream:
    """The audio of a random coupled U-Net, conditioned on a random video of 8 frames."""
    sizes = CoupledUNetConfig(
        frames=8, height=8, width=8, samples=1024, base_channels=32, channel_mult=(1, 1, 1, 1),
        num_res_blocks=1, head_channels=16,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = CoupledUNet(sizes).double()
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():  # the zeros of a new network would hide its inner layers
        noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        parameter.data.add_(0.1 * noise)
    # This sampler does not clamp: the gradient of the clamp is not that of its value.
    config = MMDiffusionConfig(network=sizes, sample_rate=1280, sampler="dpm-solver")
    video = torch.rand(1, 8, 3, 8, 8, generator=generator, dtype=torch.float64)
    return MMDiffusion(network, config).conditioned_on("video", 2 * video - 1, generator)


BACKBONES: dict[str, Callable[[], Backbone]] = {
    "animatediff": small_animatediff,
    "audioldm": small_audioldm,
    "gaussian": gaussian.load,
    "mm_diffusion": small_mm_diffusion,
}
BINDERS: dict[str, Callable[[], Binder]] = {
    "imagebind": small_imagebind,
    "linear": linear.load,
    "pocket": pocket.load,
}
