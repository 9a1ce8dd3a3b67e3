"""The sequences of stages through which the gradient is checked, from latents or prompt on."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seehear.diagnostics.doctor.gradient_check import Finding, GradientSize, Link, check_gradients
from seehear.diagnostics.gradient_paths import PathName, Segment, gradient_paths
from seehear.guidance.losses import cosine_distance
from seehear.guidance.protocols import Backbone
from seehear.models.catalogue import Part
from seehear.models.families import Family

TRIAL_DURATION_S = 0.64  # the links do not depend on the duration
GUIDANCE_SCALE = 2.5
STEPS = 30  # the check uses the noise level in the middle of this schedule
PROMPT = "a dog barking"

_BINDER_INPUT: Mapping[PathName, str] = {
    "by frames": "image",
    "by noisy frames": "noisy image",
    "by waveform": "audio",
    "by mel": "mel",
}


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A sequence of stages (links), and the input of the first one."""

    name: str
    start: Tensor
    links: tuple[Link, ...]

    def walk(self) -> tuple[list[Finding], list[GradientSize]]:
        """Check the gradients of the cosine distance to a random embedding."""
        return check_gradients(self.links, self.start, _distance_to_random)


def chains_of(family: Family, parts: tuple[Part, ...] = ("audio", "video")) -> list[Chain]:
    """Chains from the latents and the prompt of every model along all paths to the binder."""
    chains = []
    for part in parts:
        backbone = family.backbone(part)
        level = backbone.levels(STEPS)[STEPS // 2]
        generator = torch.Generator().manual_seed(0)
        z = backbone.prior(min(TRIAL_DURATION_S, backbone.native_duration_s), 1, generator)
        with torch.no_grad():
            y = backbone.embed_prompt([PROMPT])

        def of_latents(z: Tensor, backbone=backbone, level=level, y=y) -> Tensor:
            return backbone.predict(z, level, y, GUIDANCE_SCALE).x0

        def of_prompt(y: Tensor, backbone=backbone, level=level, z=z) -> Tensor:
            return backbone.predict(z, level, y, GUIDANCE_SCALE).x0

        modules = _modules_of(backbone, "unet")
        for k, (path, rest) in enumerate(_links(family, backbone, part).items()):
            link = Link(name=f"{part} denoiser", run=of_latents, modules=modules)
            chains.append(Chain(name=f"{part} latents, {path}", start=z, links=(link, *rest)))
            if k == 0:  # the links after the denoiser are the same for every path
                link = Link(name=f"{part} denoiser of the prompt", run=of_prompt, modules=modules)
                chains.append(Chain(name=f"{part} prompt, {path}", start=y, links=(link, *rest)))
    return chains


def _links(family: Family, backbone: Backbone, part: Part) -> dict[PathName, tuple[Link, ...]]:
    """All paths from clean latents to an embedding, with the networks of every segment."""
    modules = {
        "decoder": _modules_of(backbone, "vae") or _modules_of(backbone),
        "vocoder": _modules_of(backbone, "vocoder"),
        "binder": _modules_of(family.binder),
    }
    return {
        path: tuple(
            Link(
                name=_name_of(segment, path, part), run=segment.run, modules=modules[segment.stage]
            )
            for segment in segments
        )
        for path, segments in gradient_paths(backbone, family.binder).items()
    }


def _name_of(segment: Segment, path: PathName, part: Part) -> str:
    """The link name in findings."""
    if segment.stage == "decoder":
        return f"{part} decoder"
    return f"binder, {_BINDER_INPUT[path]}" if segment.stage == "binder" else segment.stage


def _modules_of(owner: object, *names: str) -> dict[str, nn.Module]:
    """The networks of a model, optionally only those with the given names."""
    members = dict(owner.named_children()) if isinstance(owner, nn.Module) else vars(owner)
    return {
        name: module
        for name, module in members.items()
        if isinstance(module, nn.Module) and (not names or name in names)
    }


def _distance_to_random(embedding: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    target = torch.randn(1, embedding.shape[1], generator=generator).to(embedding)
    return cosine_distance(embedding, target).sum()
