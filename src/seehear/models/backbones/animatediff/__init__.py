"""AnimateDiff: Stable Diffusion 1.5 with a motion adapter for videos, without one for images.

Source: Guo et al. 2023, "AnimateDiff: Animate Your Personalized Text-to-Image Diffusion Models
without Specific Tuning", arXiv:2307.04725. The code uses the components of the diffusers pipeline,
because the pipeline itself samples under `no_grad` and does not return the denoiser's predictions.
"""

from seehear.guidance.streams import Stream
from seehear.models.backbones.animatediff.loading import ANIMATEDIFF_SCHEDULE, load
from seehear.models.backbones.animatediff.model import AnimateDiff

STREAM: Stream = "video"
PIPELINES = ("AnimateDiffPipeline", "StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline")

__all__ = ["ANIMATEDIFF_SCHEDULE", "PIPELINES", "STREAM", "AnimateDiff", "load"]
