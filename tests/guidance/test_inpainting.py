import torch

from seehear.guidance.inpainting import InpaintedBackbone
from seehear.guidance.sampling import sample
from seehear.guidance.settings import SamplingSettings
from seehear.models.backbones import gaussian


def test_known_positions_end_as_they_were_and_the_others_as_without_them():
    backbone = gaussian.load()
    generator = torch.Generator().manual_seed(1)
    noise = backbone.prior(1.0, 1, generator)
    axis = backbone.time_axis
    is_known = torch.arange(noise.shape[axis]) < noise.shape[axis] // 2
    clean = torch.randn(noise.shape, generator=generator, dtype=noise.dtype)
    inpainted = InpaintedBackbone(backbone, clean, noise, is_known)
    settings = SamplingSettings(num_steps=6, guidance_scale=1.0)
    found = {}
    for name, model in (("plain", backbone), ("inpainted", inpainted)):
        z = noise if name == "plain" else inpainted.at_level(noise, inpainted.levels(6)[0])
        y = {model.stream: model.embed_prompt(["x"])}
        result = sample({model.stream: model}, {model.stream: z}, y, None, settings)
        found[name] = result.latents[model.stream].movedim(axis, 0)
    torch.testing.assert_close(found["inpainted"][is_known], clean.movedim(axis, 0)[is_known])
    # The Gaussian model predicts every position alone.
    torch.testing.assert_close(found["inpainted"][~is_known], found["plain"][~is_known])
