"""Load components of diffusers and transformers checkpoints, with WeightsError for all failures.

The backbones share this module. Code for one model is in the model's own file.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import diffusers.utils.logging
import transformers
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from safetensors import SafetensorError
from transformers import PreTrainedModel
from transformers.utils import logging

from seehear.errors import SettingsError, WeightsError
from seehear.guidance.diffusion import NoiseLevel, PredictionKind, vp_levels
from seehear.models.cache import read_json
from seehear.models.weights import Checkpoint

# Errors that the libraries raise for missing or damaged files, or files of another class.
_READ_ERRORS = (
    OSError,
    ValueError,
    RuntimeError,
    KeyError,
    TypeError,
    SafetensorError,
    UnpicklingError,
)
# The scheduler's names of prediction types, and ours.
_PREDICTION_KINDS: dict[str, PredictionKind] = {
    "epsilon": "eps",
    "v_prediction": "v",
    "sample": "x0",
}


def prediction_kind(scheduler: DDIMScheduler) -> PredictionKind:
    """The prediction type of the UNet that belongs to a scheduler."""
    return _PREDICTION_KINDS[scheduler.config["prediction_type"]]


def scheduler_levels(scheduler: DDIMScheduler, num_steps: int) -> tuple[NoiseLevel, ...]:
    """`num_steps + 1` noise levels of a checkpoint's schedule, with its timestep spacing.

    Raises:
        SettingsError: The schedule has fewer timesteps.
    """
    most = len(scheduler.alphas_cumprod) - int(scheduler.config.get("steps_offset", 0))
    if not 1 <= num_steps <= most:
        raise SettingsError(
            f"expected 1 to {most} steps, the length of the model's noise schedule, got {num_steps}"
        )
    scheduler.set_timesteps(num_steps)
    return vp_levels(
        scheduler.alphas_cumprod,
        scheduler.timesteps.tolist(),
        float(scheduler.final_alpha_cumprod),
    )


def text_class(found: Checkpoint) -> type[PreTrainedModel]:
    """The class of the text encoder, from the index or from the encoder's config."""
    name = found.class_name("text_encoder")
    if name is None:
        config = read_json(found.component("text_encoder") / "config.json")
        name = (config.get("architectures") or [""])[0]
    kind = getattr(transformers, name, None)
    if not (isinstance(kind, type) and issubclass(kind, PreTrainedModel)):
        raise WeightsError(
            f"{found.source}: expected a transformers model as text encoder, got {name!r}"
        )
    return kind


def read_network(kind: Any, folder: Path, *, optional: tuple[str, ...] = (), **options: Any) -> Any:
    """Read a network and check that the file has every weight.

    The libraries initialise missing weights randomly and only log a warning.

    Raises:
        WeightsError: A weight is missing or has another shape, or the files cannot be read.
    """
    network, info = read_component(kind, folder, output_loading_info=True, **options)
    missing = [key for key in info["missing_keys"] if not key.startswith(optional)]
    if missing or info["mismatched_keys"]:
        wrong = [*sorted(missing), *(str(key) for key in info["mismatched_keys"])]
        raise WeightsError(
            f"{folder}: expected all weights of {folder.name} ({kind.__name__}) in the file, "
            f"{len(wrong)} are missing or have another shape, first {wrong[0]}; check that the "
            "file and config.json belong together"
        )
    return network


def read_component(kind: Any, folder: Path, **options: Any) -> Any:
    """Read a component with its library class; all failures raise WeightsError."""
    try:
        with quiet_libraries():
            return kind.from_pretrained(folder, local_files_only=True, **options)
    except _READ_ERRORS as error:
        raise WeightsError(
            f"{folder}: expected {kind.__name__} files, could not read them ({error}); copy or "
            "download the folder again"
        ) from error


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Silence progress bars and load reports; `read_network` raises errors instead."""
    of_diffusers = diffusers.utils.logging.get_verbosity()
    diffusers.utils.logging.set_verbosity_error()
    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        diffusers.utils.logging.set_verbosity(of_diffusers)
        if bar:
            logging.enable_progress_bar()
