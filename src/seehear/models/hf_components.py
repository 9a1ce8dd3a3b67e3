"""Load components of diffusers and transformers checkpoints, with WeightsError for all failures.

The backbones share this module. Code for one model is in the model's own file.
"""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import Any

import diffusers.utils.logging
import torch
import transformers
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from transformers import AutoConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from seehear.errors import SettingsError, WeightsError, is_library_failure
from seehear.guidance.diffusion import NoiseLevel, PredictionKind, vp_levels
from seehear.models.cache import read_json, weight_files
from seehear.models.weights import Checkpoint

# Without it, transformers asks on a terminal and runs the code of the folder after a "y".
_NO_CODE = {"trust_remote_code": False}
_STDERR = 2  # its file descriptor
MAX_SCALE = 1e6  # of latents, and its inverse
MAX_TRAIN_STEPS = 10_000
MAX_NUMBER = 10_000_000  # in a config.json; the largest vocabularies have a million entries
# The scheduler's names of prediction types, and ours.
_PREDICTION_KINDS: dict[str, PredictionKind] = {
    "epsilon": "eps",
    "v_prediction": "v",
    "sample": "x0",
}


def prediction_kind(scheduler: DDIMScheduler) -> PredictionKind:
    """The prediction type of the UNet that belongs to a scheduler."""
    return _PREDICTION_KINDS[scheduler.config["prediction_type"]]


def read_scheduler(folder: Path) -> DDIMScheduler:
    """Read the noise schedule of a checkpoint.

    Raises:
        WeightsError: A file cannot be read, or a number is not that of a noise schedule.
    """
    return scheduler_from(read_json(folder / "scheduler_config.json"), folder)


def scheduler_from(settings: Mapping[str, Any], folder: Path) -> DDIMScheduler:
    """A noise schedule from its settings; those of other schedulers are ignored.

    Raises:
        WeightsError: As `read_scheduler`.
    """
    steps = settings.get("num_train_timesteps", 1000)
    if type(steps) is not int or not 2 <= steps <= MAX_TRAIN_STEPS:
        raise WeightsError(
            f"{folder}: expected num_train_timesteps from 2 to {MAX_TRAIN_STEPS}, got {steps!r:.60}"
        )
    known = signature(DDIMScheduler.__init__).parameters
    with _reading(DDIMScheduler, folder), quiet_libraries():
        scheduler = DDIMScheduler(**{k: v for k, v in settings.items() if k in known})
    levels = scheduler.alphas_cumprod
    if not bool(((levels >= 0) & (levels <= 1)).all()):  # NaN compares as false
        raise WeightsError(
            f"{folder}: expected betas of a noise schedule between 0 and 1, got others; copy or "
            "download the folder again"
        )
    return scheduler


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


def start_of_prompt(tokenizer: Any, prompt: str, num_tokens: int) -> str:
    """The start of a prompt that fits into a number of tokens, special tokens included.

    Slow tokenizers give the text of the tokens, which can differ in case and spaces.
    """
    if len(tokenizer(prompt)["input_ids"]) <= num_tokens:
        return prompt
    options = {"truncation": True, "max_length": num_tokens}
    if not tokenizer.is_fast:
        return tokenizer.decode(tokenizer(prompt, **options)["input_ids"], skip_special_tokens=True)
    spans = tokenizer(prompt, return_offsets_mapping=True, **options)["offset_mapping"]
    return prompt[: max(end for _, end in spans)]


def text_class(found: Checkpoint) -> type[PreTrainedModel]:
    """The class of the text encoder, from the index or from the encoder's config."""
    name = found.class_name("text_encoder")
    if name is None:
        config = read_json(found.component("text_encoder") / "config.json")
        name = (config.get("architectures") or [""])[0]
    kind = getattr(transformers, name, None)
    if not (isinstance(kind, type) and issubclass(kind, PreTrainedModel)):
        raise WeightsError(
            f"{found.source}: expected a transformers model as text encoder, got {name!r:.60}"
        )
    return kind


def read_network(kind: Any, folder: Path, *, optional: tuple[str, ...] = (), **options: Any) -> Any:
    """Read a network and check that the file has every weight.

    The libraries initialise missing weights randomly and only log a warning.

    Raises:
        WeightsError: A weight is missing or has another shape, or the files cannot be read.
    """
    _check_size(kind, folder)
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


def read_autoencoder(kind: Any, folder: Path, **options: Any) -> Any:
    """Read an autoencoder as `read_network`, and check the scale of its latents.

    Raises:
        WeightsError: As `read_network`, or the scale is no positive number.
    """
    vae = read_network(kind, folder, **options)
    scale = vae.config["scaling_factor"]
    is_number = isinstance(scale, int | float) and not isinstance(scale, bool)
    if not is_number or not 1 / MAX_SCALE <= scale <= MAX_SCALE:
        raise WeightsError(
            f"{folder}: expected scaling_factor in config.json from {1 / MAX_SCALE:g} to "
            f"{MAX_SCALE:g}, got {scale!r:.60}"
        )
    return vae


def read_component(kind: Any, folder: Path, **options: Any) -> Any:
    """Read a component with its library class; all failures raise WeightsError."""
    if _is_transformers(kind):
        options |= _NO_CODE
    with _reading(kind, folder), quiet_libraries():
        component = kind.from_pretrained(folder, local_files_only=True, **options)
        if isinstance(component, PreTrainedTokenizerBase):
            with _quiet_stderr():  # a library in Rust prints a backtrace before it raises
                component(["a sound"])  # some damage shows only when text is tokenized
        return component


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Discard what native code writes to the file descriptor of stderr."""
    try:
        saved = os.dup(_STDERR)
    except OSError:  # the process has no stderr
        yield
        return
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), _STDERR)
    try:
        yield
    finally:
        os.dup2(saved, _STDERR)
        os.close(saved)


def _is_transformers(kind: Any) -> bool:
    return kind.__module__.startswith("transformers")


@contextmanager
def _reading(kind: Any, folder: Path) -> Iterator[None]:
    """Turn the errors of the libraries into a WeightsError."""
    try:
        yield
    except WeightsError:
        raise
    # The libraries raise many unrelated errors for damaged files and files of another class.
    except BaseException as error:
        if not is_library_failure(error):
            raise
        reason = " ".join(str(error).split())[:300]
        raise WeightsError(
            f"{folder}: expected {kind.__name__} files, could not read them "
            f"({type(error).__name__}: {reason}); copy or download the folder again"
        ) from error


def _check_size(kind: Any, folder: Path) -> None:
    """Raise WeightsError if config.json describes more weights than the files have bytes.

    The network is built on the meta device, without memory, and only until the limit is reached:
    a number in config.json must not decide how much memory or time the loading takes.
    """
    _check_numbers(folder)
    limit = sum(path.stat().st_size for path in weight_files(folder))
    if not limit:
        raise WeightsError(
            f"{folder}: expected the weights of {kind.__name__}, found none; copy or download the "
            "folder again"
        )
    thread, total = threading.get_ident(), 0

    def count(_: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal total
        if parameter is None or threading.get_ident() != thread:
            return
        total += max(1, parameter.numel())
        if total > limit:
            raise WeightsError(
                f"{folder}: expected at most {limit:,} weights, as many as the weight files have "
                f"bytes, but config.json describes a larger network ({name}); check that the "
                "files belong together"
            )

    hook = register_module_parameter_registration_hook(count)
    try:
        with _reading(kind, folder), quiet_libraries(), torch.device("meta"):
            _empty_network(kind, folder)
    finally:
        hook.remove()


def _check_numbers(folder: Path) -> None:
    """Raise WeightsError for a number in config.json that a library may use as a length of a list.

    Such a list would be built before the first weight.
    """
    path = folder / "config.json"
    values: list[Any] = [("", read_json(path))] if path.is_file() else []
    while values:
        name, value = values.pop()
        if isinstance(value, dict):
            values += value.items()
        elif isinstance(value, list):
            values += [(name, item) for item in value]
        elif isinstance(value, int) and abs(value) > MAX_NUMBER:
            raise WeightsError(
                f"{folder}: expected numbers up to {MAX_NUMBER:,} in config.json, got "
                f"{name:.60}={value!r:.60}; copy or download the folder again"
            )


def _empty_network(kind: Any, folder: Path) -> nn.Module:
    """The network of config.json on the current device, with random weights."""
    if not _is_transformers(kind):
        return kind.from_config(kind.load_config(folder, local_files_only=True))
    if hasattr(kind, "config_class"):
        config = kind.config_class.from_pretrained(folder, local_files_only=True, **_NO_CODE)
        return kind(config)
    config = AutoConfig.from_pretrained(folder, local_files_only=True, **_NO_CODE)
    return kind.from_config(config, **_NO_CODE)


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
