"""Writes docs/presets.md from the presets and from the comments beside their values.

`python scripts/write_preset_docs.py` writes the page. `--check` fails if the committed page is
stale.
"""

import argparse
import ast
import io
import re
import sys
import tokenize
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType

from seehear.guidance import settings as method
from seehear.guidance.settings import FrameSampling, ImageAugmentation, MelAugmentation
from seehear.pipeline import presets
from seehear.pipeline.presets import (
    IMAGE_VIDEO_PRESETS,
    JOINT_MODEL_PRESETS,
    JOINT_PRESETS,
    PAPER_PRESETS,
    PRESETS,
    Preset,
    preset_for,
)

PAGE = Path(__file__).resolve().parents[1] / "docs" / "presets.md"
HEAD = """# Presets

A preset contains all settings of a generation except models, prompt and seed. On the command line,
the presets `paper-*` also select models and frame sizes. Select a preset with `--preset NAME` or
`preset="NAME"`. `seehear.pipeline.presets.with_overrides` changes single values.
[method.md](method.md) explains the settings and the differences between the paper and its code.

`python scripts/write_preset_docs.py` writes this page from `seehear/pipeline/presets.py`. Edit the
values and comments there.
"""
AUDIO_NOTE = """\
- `default` guides weakly. It needs a prompt or an automatic caption.
- `fast` guides weakly by an encoder of noisy latents, so that a guided step costs hardly more
  than an unguided one. It needs the encoder of the pocket models or one from `seehear distill`.
  It excludes `--sync`.
- `wordless` guides strongly and also tunes the prompt. It works without a prompt, and it can
  override a wrong prompt.
- `latents` is `wordless` without prompt tuning. Use it for runs without a prompt.
- `authors` has the values of the authors' code, `equations` those of the paper.

"""
IMAGE_VIDEO_NOTE = """\
- `default`, `wordless`, `latents` and `equations` have the same purpose as for audio.
- `prompt` only tunes the prompt (Eq. 17), `latents` only updates the latents (Eq. 13).

"""
JOINT_NOTE = """\
In `default` the video stream starts before the audio stream. The other presets have the values of
the image and video presets of the same name. In these other presets, the learning rates and the
guidance scale of the audio stream are those of the audio preset of the same name. `prompt` has no
audio preset. Its audio stream has the guidance scale and the learning rates of `wordless`, but
`lr_latents` is 0.

"""
JOINT_MODEL_NOTE = """\
These are for one model that generates both streams and does not take a prompt as input, such as
MM-Diffusion. Guidance compares the streams with each other, with the prompt and with the reference,
where there are any. Many values are those of the image and video presets with the same name. None
was tuned for such a model.

"""
PAPER_NOTE = """\
`paper-v2a` and `paper-i2a` have the values of `authors`. A preset with the suffix `-fast` differs
from the one without it in four values: `latent_encoder` is on, `through_denoiser` is off,
`lr_prompt` is 0, and `level` is `matching`. So a guided step embeds the noisy latents directly, and
runs neither decoder nor binder. It needs an encoder of these models' latents: train one with
`seehear distill` and pass it with `--latent-encoders`. The FLOPs of both are in
[results/guidance_flops.md](results/guidance_flops.md). The quality of these presets was not
measured.

"""
_CONSTANTS = {  # of image and video presets, by name
    "default": "_IMAGE_VIDEO_DEFAULT",
    "wordless": "_IMAGE_VIDEO_WORDLESS",
    "prompt": "_PROMPT",
    "latents": "_IMAGE_VIDEO_LATENTS",
    "equations": "_IMAGE_VIDEO_EQUATIONS",
}


def comments_of(source: str) -> dict[int, str]:
    """The text of every comment by its line number."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        token.start[0]: re.sub(r"\s*fmt: skip$", "", token.string.lstrip("# "))
        for token in tokens
        if token.type == tokenize.COMMENT
    }


def source_of(module: ModuleType) -> str:
    """The text of a module's file."""
    return Path(str(module.__file__)).read_text(encoding="utf-8")


def meanings_of(module: ModuleType, name: str) -> dict[str, str]:
    """The comments beside or directly above the fields of a dataclass, by field name."""
    source = source_of(module)
    comments, lines = comments_of(source), source.splitlines()
    found = {}
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.ClassDef) and node.name == name):
            continue
        for field in node.body:
            if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
                continue
            found[field.target.id] = comment_at(lines_of(field), comments, lines)
    return found


def comment_at(at: range, comments: Mapping[int, str], lines: Sequence[str]) -> str:
    """The comment beside some lines or, if there is none, directly above them."""
    texts = [comments.get(n, "") for n in at]
    above = at.start - 1
    while not any(texts) and lines[above - 1].lstrip().startswith("#"):
        above -= 1
    texts += [comments[n] for n in range(above + 1, at.start)]
    return " ".join(filter(None, texts))


def reasons_of(constant: str) -> dict[str, str]:
    """The comments beside or directly above the values of one preset, by the name of the value."""
    source = source_of(presets)
    comments, lines = comments_of(source), source.splitlines()
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == constant:
            return {
                k.arg: comment_at(lines_of(k.value), comments, lines)
                for k in ast.walk(node)
                if isinstance(k, ast.keyword) and k.arg and not isinstance(k.value, ast.Call)
            }
    sys.exit(f"expected {constant} = Preset(...) in {presets.__file__}, found none")


def lines_of(node: ast.expr | ast.stmt) -> range:
    """The lines that a part of the source covers."""
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def values_of(preset: Preset) -> dict[str, object]:
    """All values of a preset, with sampling and aligner settings flattened."""
    settings, guidance = preset.settings, preset.settings.aligner
    values = {f.name: getattr(settings, f.name) for f in fields(settings) if f.name != "aligner"}
    values |= {f.name: getattr(guidance, f.name) for f in fields(guidance)}
    values |= {f.name: getattr(preset, f.name) for f in fields(preset)}
    return {k: v for k, v in values.items() if k not in ("name", "settings")}


def readable(value: object) -> str:
    """A value as the text of a table cell."""
    if isinstance(value, FrameSampling):
        return f"{value.per_step} per step"
    if isinstance(value, ImageAugmentation | MelAugmentation):
        return augmentation_text(value)
    if isinstance(value, Mapping):
        items = (f"{stream} {interval_text(v)}" for stream, v in value.items())
        return ", ".join(items) or "none"
    if isinstance(value, tuple) and value and isinstance(value[0], tuple):
        return ", ".join("-".join(map(str, pair)) for pair in value)
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if is_dataclass(value):
        sys.exit(f"expected a text for {type(value).__name__} in `readable`, found none; add one")
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def augmentation_text(settings: ImageAugmentation | MelAugmentation) -> str:
    """The number of views per step and the strengths of the augmentation."""
    if not settings.per_step:
        return "off"
    names = [f.name for f in fields(settings) if f.name != "per_step"]
    strengths = ", ".join(f"{name} {getattr(settings, name)}" for name in names)
    return f"{settings.per_step} views: {strengths}"


def interval_text(value: object) -> str:
    """A number, or an interval of two numbers."""
    return " to ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def row(*cells: str) -> str:
    """One line of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def of_task(task: str, known: Mapping[str, Preset]) -> dict[str, Preset]:
    """The presets with the pairs of a task."""
    return {name: preset_for(task, preset) for name, preset in known.items()}


def side_by_side(known: Mapping[str, Preset], meanings: Mapping[str, str]) -> str:
    """A table of all values, with one column per preset."""
    values = {name: values_of(preset) for name, preset in known.items()}
    text = row("setting", *known, "meaning") + "|" + " --- |" * (len(known) + 2) + "\n"
    for key in next(iter(values.values())):
        cells = [readable(values[name][key]) for name in known]
        text += row(f"`{key}`", *cells, meanings.get(key, ""))
    return text


def page() -> str:
    """The whole page as Markdown."""
    meanings = meanings_of(method, "SamplingSettings") | meanings_of(method, "AlignerConfig")
    meanings |= meanings_of(presets, "Preset")
    text = HEAD + "\n## Audio presets (v2a, i2a)\n\n" + AUDIO_NOTE
    text += side_by_side(of_task("v2a", PRESETS), meanings)
    text += "\n## Image and video presets (a2v, a2i)\n\n" + IMAGE_VIDEO_NOTE
    text += side_by_side(of_task("a2v", IMAGE_VIDEO_PRESETS), meanings)
    text += "\n## Joint presets (joint)\n\n" + JOINT_NOTE
    text += side_by_side(of_task("joint", JOINT_PRESETS), meanings)
    text += "\n## Presets of joint models (joint --backbone)\n\n" + JOINT_MODEL_NOTE
    text += side_by_side(of_task("joint-model", JOINT_MODEL_PRESETS), meanings)
    text += "\n## Presets of the paper's runs\n\n"
    text += PAPER_NOTE
    paper = {
        preset.name: preset_for(task, preset)
        for task, presets in PAPER_PRESETS.items()
        for preset in presets
    }
    text += side_by_side(paper, meanings)
    for title, constant, preset in explained():
        values = values_of(preset)
        reasons = {k: why for k, why in reasons_of(constant).items() if k in values and why}
        if not reasons:  # a copy of another preset under another name
            continue
        text += f"\n## Origin of the values: {title}\n\n"
        text += row("setting", "value", "source or reason") + "| --- | --- | --- |\n"
        for key, why in reasons.items():
            text += row(f"`{key}`", readable(values[key]), why)
    return text


def explained() -> list[tuple[str, str, Preset]]:
    """Title, name of the constant in `seehear.pipeline.presets`, and values of every preset."""
    own = [(f"`{name}` for audio", name.upper(), preset) for name, preset in PRESETS.items()]
    visual = [
        (f"`{name}` for images and videos", _CONSTANTS[name], preset)
        for name, preset in IMAGE_VIDEO_PRESETS.items()
    ]
    joint = [("`default` for joint", "_JOINT_DEFAULT", JOINT_PRESETS["default"])]
    joint += [
        (f"`{name}` for joint models", f"_JOINT_MODEL_{name.upper()}", JOINT_MODEL_PRESETS[name])
        for name in ("default", "wordless")
    ]
    paper = [
        (f"`{preset.name}`", preset.name.upper().replace("-", "_"), preset)
        for of_task in PAPER_PRESETS.values()
        for preset in of_task
    ]
    return own + visual + joint + paper


def main() -> None:
    """Write the page, or compare it with the committed one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if stale")
    text = page()
    if not parser.parse_args().check:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
        sys.exit(f"{PAGE.name} is stale: run python scripts/write_preset_docs.py and commit it")


if __name__ == "__main__":
    main()
