"""The chains of a family: from what guidance moves to what it compares."""

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

TRIAL_DURATION_S = 0.64  # the links are the same however long a clip is
GUIDANCE_SCALE = 2.5
STEPS = 30  # of which the trial looks at the noise level half-way
PROMPT = "a dog barking"

_LOOKS_AS: Mapping[PathName, str] = {
    "by frames": "picture",
    "by frames and eye": "eye",
    "by waveform": "sound",
    "by mel": "ear",
}


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Links, and what enters the first of them."""

    name: str
    start: Tensor
    links: tuple[Link, ...]

    def walk(self) -> tuple[list[Finding], list[GradientSize]]:
        """Push one gradient through it, of the distance to a direction drawn by chance."""
        return check_gradients(self.links, self.start, _distance_to_anything)


def chains_of(family: Family, parts: tuple[Part, ...] = ("audio", "video")) -> list[Chain]:
    """Latents and prompt of every model, each through all ways of a family to its binder."""
    found = []
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
        for k, (way, rest) in enumerate(_links(family, backbone, part).items()):
            link = Link(name=f"{part} denoiser", run=of_latents, modules=modules)
            found.append(Chain(name=f"{part} latents, {way}", start=z, links=(link, *rest)))
            if k == 0:  # the links behind the denoiser are the same
                link = Link(name=f"{part} denoiser of the prompt", run=of_prompt, modules=modules)
                found.append(Chain(name=f"{part} prompt, {way}", start=y, links=(link, *rest)))
    return found


def _links(family: Family, backbone: Backbone, part: Part) -> dict[PathName, tuple[Link, ...]]:
    """Every way from clean latents to an embedding, each leg with the networks that walk it."""
    modules = {
        "decoder": _modules_of(backbone, "vae") or _modules_of(backbone),
        "vocoder": _modules_of(backbone, "vocoder"),
        "binder": _modules_of(family.binder),
    }
    return {
        way: tuple(
            Link(name=_name_of(leg, way, part), run=leg.run, modules=modules[leg.stage])
            for leg in legs
        )
        for way, legs in gradient_paths(backbone, family.binder).items()
    }


def _name_of(leg: Segment, way: PathName, part: Part) -> str:
    """As findings call it."""
    if leg.stage == "decoder":
        return f"{'sound' if part == 'audio' else part} decoder"
    return f"binder, {_LOOKS_AS[way]}" if leg.stage == "binder" else leg.stage


def _modules_of(owner: object, *names: str) -> dict[str, nn.Module]:
    """The networks that a model consists of; those of some names alone."""
    held = dict(owner.named_children()) if isinstance(owner, nn.Module) else vars(owner)
    return {
        name: module
        for name, module in held.items()
        if isinstance(module, nn.Module) and (not names or name in names)
    }


def _distance_to_anything(embedding: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    wanted = torch.randn(1, embedding.shape[1], generator=generator).to(embedding)
    return cosine_distance(embedding, wanted).sum()
