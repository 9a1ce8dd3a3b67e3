"""The nodes: load models, and one node per task.

ComfyUI's types: IMAGE is a float tensor [frames, height, width, 3] in [0, 1]. AUDIO is a dict with
"waveform", a float tensor [batch, channels, samples] in [-1, 1], and "sample_rate" in Hz.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

import seehear
from seehear.errors import Cancelled
from seehear.guidance.sampling import StepProgress
from seehear.media import Audio
from seehear.pipeline.presets import preset_for, presets_of
from seehear.pipeline.result import Result
from seehear.pipeline.studio import Studio

STUDIO = "SEEHEAR_MODELS"
CATEGORY = "seehear"
# Published models need weights that a node does not download.
FAMILIES = ("pocket", "paper")
Inputs = dict[str, dict[str, tuple[Any, ...]]]


def _prompt_inputs(task: str) -> dict[str, tuple[Any, ...]]:
    return {
        "prompt": ("STRING", {"default": "", "multiline": True}),
        "caption": (
            "BOOLEAN",
            {"default": True, "tooltip": "Write the prompt from the input if it is empty."},
        ),
        **_common_inputs(task),
    }


def _common_inputs(task: str) -> dict[str, tuple[Any, ...]]:
    names = [name for name in presets_of(task) if not name.startswith("paper")]
    return {
        "negative": ("STRING", {"default": "", "multiline": True}),
        "preset": (names, {"default": "default"}),
        "seed": ("INT", {"default": 0, "min": 0, "max": 2**63 - 1}),
    }


def _arguments(widgets: dict[str, Any]) -> dict[str, Any]:
    """The values of `_prompt_inputs` or `_common_inputs` as arguments of a studio's method."""
    arguments = {"on_step": _on_step(), **widgets}
    if arguments.pop("caption", False) and not arguments["prompt"].strip():
        arguments["prompt"] = None  # the studio writes it
    return arguments


def _frames(images: Tensor) -> Tensor:
    """uint8 frames [n, height, width, 3] of an IMAGE."""
    return (images[..., :3].clamp(0, 1) * 255).round().to(torch.uint8).cpu()


def _image_of(result: Result) -> Tensor:
    assert result.frames is not None
    return result.frames.permute(0, 2, 3, 1).float().cpu() / 255


def _audio_of(result: Result) -> dict[str, Any]:
    assert result.waveform is not None
    return {
        "waveform": result.waveform[None].float().cpu(),
        "sample_rate": int(result.sample_rate or 0),
    }


def _waveform(audio: dict[str, Any]) -> Audio:
    """The first element of the batch, mono or stereo."""
    waveform = audio["waveform"][0].float().cpu()
    waveform = waveform if len(waveform) <= 2 else waveform.mean(0, keepdim=True)
    return Audio(waveform=waveform, sample_rate=int(audio["sample_rate"]))


def _on_step() -> Callable[[StepProgress], None] | None:
    """Shows steps in ComfyUI, and stops when the user interrupts; None outside ComfyUI."""
    try:
        import comfy.model_management
        import comfy.utils
    except ImportError:
        return None
    bars: list[Any] = []

    def show(step: StepProgress) -> None:
        if comfy.model_management.processing_interrupted():
            raise Cancelled("interrupted")
        bars[:] = bars or [comfy.utils.ProgressBar(step.num_steps)]
        bars[0].update_absolute(step.i + 1, step.num_steps)

    return show


class LoadModels:
    """Load a family of models once, for all other nodes."""

    CATEGORY, FUNCTION = CATEGORY, "load"
    RETURN_TYPES, RETURN_NAMES = (STUDIO,), ("models",)

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """The inputs, as ComfyUI expects them."""
        return {
            "required": {
                "models": (list(FAMILIES), {"default": "pocket"}),
                "device": ("STRING", {"default": "cpu"}),
                "dtype": (["float32", "bfloat16"], {"default": "float32"}),
            },
            "optional": {
                name: ("STRING", {"default": "", "tooltip": "Empty: that of the family."})
                for name in ("audio", "video", "motion", "binder")
            },
        }

    def load(self, models: str, device: str, dtype: str, **parts: str) -> tuple[Studio]:
        """See `seehear.load`."""
        chosen: dict[str, Any] = {name: value for name, value in parts.items() if value.strip()}
        return (seehear.load(models, device=device, dtype=dtype, **chosen),)  # type: ignore[arg-type]


class VideoToAudio:
    """Audio for the frames of a video."""

    CATEGORY, FUNCTION = CATEGORY, "generate"
    RETURN_TYPES, RETURN_NAMES = ("AUDIO", "STRING"), ("audio", "prompt")

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """The inputs, as ComfyUI expects them."""
        return {
            "required": {
                "models": (STUDIO,),
                "images": ("IMAGE",),
                "fps": ("FLOAT", {"default": 24.0, "min": 1.0, "max": 240.0, "step": 0.001}),
                **_prompt_inputs("v2a"),
                "sync": ("FLOAT", {"default": 0.0, "min": 0.0, "max": 5.0, "step": 0.1}),
            }
        }

    def generate(
        self,
        models: Studio,
        images: Tensor,
        fps: float,
        sync: float,
        **widgets: Any,
    ) -> tuple[dict[str, Any], str]:
        """See `Studio.video_to_audio`."""
        arguments = _arguments(widgets)
        if sync:
            preset = preset_for("v2a", arguments["preset"])
            arguments["preset"] = replace(preset, sync_weight=sync)
        result = models.video_to_audio(_frames(images), fps=fps, **arguments)
        return _audio_of(result), result.caption or ""


class ImageToAudio:
    """Audio for an image."""

    CATEGORY, FUNCTION = CATEGORY, "generate"
    RETURN_TYPES, RETURN_NAMES = ("AUDIO", "STRING"), ("audio", "prompt")

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """The inputs, as ComfyUI expects them."""
        return {
            "required": {
                "models": (STUDIO,),
                "image": ("IMAGE",),
                "seconds": ("FLOAT", {"default": 4.0, "min": 0.1, "max": 600.0, "step": 0.1}),
                **_prompt_inputs("i2a"),
            }
        }

    def generate(
        self,
        models: Studio,
        image: Tensor,
        seconds: float,
        **widgets: Any,
    ) -> tuple[dict[str, Any], str]:
        """See `Studio.image_to_audio`. Of several images, the first one is used."""
        result = models.image_to_audio(_frames(image)[0], seconds, **_arguments(widgets))
        return _audio_of(result), result.caption or ""


class AudioToVideo:
    """A video for audio."""

    CATEGORY, FUNCTION = CATEGORY, "generate"
    RETURN_TYPES, RETURN_NAMES = ("IMAGE", "FLOAT", "STRING"), ("images", "fps", "prompt")

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """The inputs, as ComfyUI expects them."""
        return {
            "required": {"models": (STUDIO,), "audio": ("AUDIO",), **_prompt_inputs("a2v")},
        }

    def generate(
        self, models: Studio, audio: dict[str, Any], **widgets: Any
    ) -> tuple[Tensor, float, str]:
        """See `Studio.audio_to_video`."""
        result = models.audio_to_video(_waveform(audio), **_arguments(widgets))
        return _image_of(result), float(result.fps or 0), result.caption or ""


class AudioToImage:
    """An image for audio."""

    CATEGORY, FUNCTION = CATEGORY, "generate"
    RETURN_TYPES, RETURN_NAMES = ("IMAGE", "STRING"), ("image", "prompt")

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """The inputs, as ComfyUI expects them."""
        return {
            "required": {"models": (STUDIO,), "audio": ("AUDIO",), **_prompt_inputs("a2i")},
        }

    def generate(self, models: Studio, audio: dict[str, Any], **widgets: Any) -> tuple[Tensor, str]:
        """See `Studio.audio_to_image`."""
        result = models.audio_to_image(_waveform(audio), **_arguments(widgets))
        return _image_of(result), result.caption or ""


class TextToBoth:
    """A video with its audio from a prompt."""

    CATEGORY, FUNCTION = CATEGORY, "generate"
    RETURN_TYPES, RETURN_NAMES = ("IMAGE", "AUDIO", "FLOAT"), ("images", "audio", "fps")

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """The inputs, as ComfyUI expects them."""
        return {
            "required": {
                "models": (STUDIO,),
                "prompt": ("STRING", {"default": "", "multiline": True}),
                "seconds": ("FLOAT", {"default": 2.56, "min": 0.1, "max": 600.0, "step": 0.01}),
                **_common_inputs("joint"),
            }
        }

    def generate(
        self, models: Studio, seconds: float, **widgets: Any
    ) -> tuple[Tensor, dict[str, Any], float]:
        """See `Studio.text_to_both`."""
        result = models.text_to_both(duration_s=seconds, **_arguments(widgets))
        return _image_of(result), _audio_of(result), float(result.fps or 0)


class AlignLatents:
    """Bring existing audio closer to the frames of a video, by guidance from its noised latents.

    The higher the strength, the more the audio keeps of the recording.
    """

    CATEGORY, FUNCTION = CATEGORY, "generate"
    RETURN_TYPES, RETURN_NAMES = ("AUDIO", "STRING"), ("audio", "prompt")

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """The inputs, as ComfyUI expects them."""
        video = VideoToAudio.INPUT_TYPES()["required"]
        return {
            "required": {
                **{name: video[name] for name in ("models", "images", "fps")},
                "audio": ("AUDIO",),
                "strength": ("FLOAT", {"default": 0.6, "min": 0.0, "max": 0.95, "step": 0.05}),
                **_prompt_inputs("v2a"),
            }
        }

    def generate(
        self,
        models: Studio,
        images: Tensor,
        fps: float,
        audio: dict[str, Any],
        strength: float,
        **widgets: Any,
    ) -> tuple[dict[str, Any], str]:
        """See `Studio.video_to_audio` with `like` and `like_strength`."""
        result = models.video_to_audio(
            _frames(images), fps=fps, like=_waveform(audio), like_strength=strength,
            **_arguments(widgets),
        )  # fmt: skip
        return _audio_of(result), result.caption or ""


NODE_CLASS_MAPPINGS: dict[str, type] = {
    "SeehearLoadModels": LoadModels,
    "SeehearVideoToAudio": VideoToAudio,
    "SeehearImageToAudio": ImageToAudio,
    "SeehearAudioToVideo": AudioToVideo,
    "SeehearAudioToImage": AudioToImage,
    "SeehearTextToBoth": TextToBoth,
    "SeehearAlignLatents": AlignLatents,
}
NODE_DISPLAY_NAME_MAPPINGS = {
    "SeehearLoadModels": "Load seehear models",
    "SeehearVideoToAudio": "Video to audio",
    "SeehearImageToAudio": "Image to audio",
    "SeehearAudioToVideo": "Audio to video",
    "SeehearAudioToImage": "Audio to image",
    "SeehearTextToBoth": "Prompt to video and audio",
    "SeehearAlignLatents": "Align audio latents with video",
}
