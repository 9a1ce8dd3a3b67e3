"""`seehear presets`: the presets side by side."""

from collections.abc import Mapping

from rich.table import Table

from seehear.cli.console import out
from seehear.guidance.settings import Rate
from seehear.pipeline.presets import (
    IMAGE_VIDEO_PRESETS,
    JOINT_MODEL_PRESETS,
    JOINT_PRESETS,
    PAPER_PRESETS,
    PRESETS,
    Preset,
)


def presets() -> None:
    """List the presets and their main values.

    A preset contains all settings of a run except models, prompt and seed. --steps, --lr, --sync
    and --lufs override single values.

    For example:

        seehear presets

        seehear v2a clip.mp4 -o out.mp4 --preset authors
    """
    of_paper = [preset for of_task in PAPER_PRESETS.values() for preset in of_task]
    for title, known in (
        ("v2a and i2a", PRESETS),
        ("a2v and a2i", IMAGE_VIDEO_PRESETS),
        ("joint", JOINT_PRESETS),
        ("joint --backbone", JOINT_MODEL_PRESETS),
        ("paper models", {p.name: p for p in of_paper if not p.latent_encoder}),
        ("paper models", {p.name: p for p in of_paper if p.latent_encoder}),
    ):
        table = Table(title, *known, box=None, pad_edge=False)
        columns = [_preset_rows(preset) for preset in known.values()]
        for name in columns[0]:
            table.add_row(name, *(column[name] for column in columns))
        out.print(table)
        out.print("")


def _preset_rows(preset: Preset) -> dict[str, str]:
    settings, aligner = preset.settings, preset.settings.aligner
    steps = range(settings.num_steps)
    guided = sum(aligner.is_guided(i, settings.num_steps) for i in steps)
    return {
        "denoising steps (--steps)": str(settings.steps_each),
        "guided loop steps": f"{guided} of {settings.num_steps}",
        "distance": str(preset.distance),
        "step rule": aligner.rule,
        "learning rate of latents (--lr)": _readable(aligner.lr_latents),
        "learning rate of the prompt": _readable(aligner.lr_prompt),
        "updates per step": str(aligner.num_updates),
        "latent encoder": "yes" if preset.latent_encoder else "no",
        "gradient through the denoiser": "yes" if aligner.through_denoiser else "no",
        "noise level of the estimate": aligner.level,
        "guidance scale": _readable(settings.guidance_scale),
    }


def _readable(value: Rate) -> str:
    """One value for all streams, or a value per stream such as "audio 0.1, video 0.05"."""
    if isinstance(value, Mapping):
        return ", ".join(f"{stream} {own}" for stream, own in value.items())
    return str(value)
