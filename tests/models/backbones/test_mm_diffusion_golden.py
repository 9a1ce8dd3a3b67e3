"""Numbers of the original network in a tiny configuration: tests/data/golden/mm_diffusion."""

from dataclasses import replace

import golden_numbers as golden
import pytest
import torch
from safetensors.torch import load_file

from seehear.guidance.sampling import sample
from seehear.guidance.settings import SamplingSettings
from seehear.guidance.solvers import ancestral_step
from seehear.models.backbones.mm_diffusion import STREAMS, MMDiffusion, MMDiffusionConfig
from seehear.models.coupled_unet import CoupledUNet, CoupledUNetConfig, time_sinusoid
from seehear.models.image_upsampler import ImageUpsampler, ImageUpsamplerConfig

FOLDER = golden.FOLDER / "mm_diffusion"
SETTINGS = golden.settings("mm_diffusion/config.json")


def arrays(name):
    return load_file(FOLDER / f"{name}.safetensors")


def tiny_config():
    frames, channels, height, width = SETTINGS["video_size"]
    return CoupledUNetConfig(
        frames=frames,
        height=height,
        width=width,
        samples=SETTINGS["audio_size"][1],
        video_channels=channels,
        audio_channels=SETTINGS["audio_size"][0],
        base_channels=SETTINGS["model_channels"],
        channel_mult=tuple(SETTINGS["channel_mult"]),
        num_res_blocks=SETTINGS["num_res_blocks"],
        num_heads=SETTINGS["num_heads"],
        head_channels=SETTINGS["num_head_channels"],
        cross_attention_at=tuple(SETTINGS["cross_attention_resolutions"]),
        cross_attention_windows=tuple(SETTINGS["cross_attention_windows"]),
        video_attention_at=tuple(SETTINGS["video_attention_resolutions"]),
    )


def tiny_network(dtype=torch.float64, checkpointing=False):
    network = CoupledUNet(tiny_config(), checkpointing=checkpointing).to(dtype)
    network.load_state_dict({k: v.to(dtype) for k, v in arrays("weights").items()})
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def network():
    return tiny_network()


@pytest.fixture(scope="module")
def numbers():
    return {k: v.double() if v.is_floating_point() else v for k, v in arrays("forward").items()}


def close(found, wanted, atol=1e-9):
    torch.testing.assert_close(found, wanted, rtol=0, atol=atol)


def noises(network, numbers, shifts="shifts_a", dtype=torch.float64):
    video, audio = numbers["video"].to(dtype), numbers["audio"].to(dtype)
    return network(video, audio, numbers["timesteps"], numbers[shifts].tolist())


@torch.no_grad()
def test_the_noise_of_both_streams_is_that_of_the_original(network, numbers):
    for found, name in zip(noises(network, numbers), ("eps_video_a", "eps_audio_a"), strict=True):
        close(found, numbers[name])


@torch.no_grad()
def test_without_shifts_the_noise_is_that_of_the_original(network, numbers):
    found = noises(network, numbers, "shifts_zero")
    for eps, name in zip(found, ("video", "audio"), strict=True):
        close(eps.flatten()[numbers[f"zero_{name}_index"]], numbers[f"eps_{name}_zero"])


@torch.no_grad()
def test_float32_agrees_with_the_original_in_float32(numbers):
    found = noises(tiny_network(torch.float32), numbers, dtype=torch.float32)
    for eps, name in zip(found, ("video", "audio"), strict=True):
        wanted = arrays("forward")[f"eps_{name}_a_float32"]
        close(eps.flatten()[numbers[f"zero_{name}_index"]], wanted, atol=1e-4)


@torch.no_grad()
def test_every_block_has_the_output_of_the_original(network, numbers):
    probes, seen = arrays("probes"), {}

    def record(name):
        return lambda module, inputs, output: seen.update({name: output})

    names = {key.rsplit(".", 2)[0] for key in probes}
    hooks = [network.get_submodule(n).register_forward_hook(record(n)) for n in names]
    noises(network, numbers)
    for hook in hooks:
        hook.remove()
    assert seen.keys() == names
    for name, streams in seen.items():
        for stream, output in zip(("video", "audio"), streams, strict=True):
            index = torch.arange(16) * (output.numel() - 1) // 15
            close(output.flatten()[index], probes[f"{name}.{stream}.values"])
            close(output.norm()[None], probes[f"{name}.{stream}.norm"])


@torch.no_grad()
def test_the_time_embedding_is_that_of_the_original(network, numbers):
    sinusoid = time_sinusoid(numbers["timesteps"], 32, torch.float64)
    close(sinusoid, numbers["time_sinusoid"], atol=1e-12)
    close(network.time_embed(sinusoid), numbers["time_embedding"], atol=1e-12)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_gradients_are_those_of_the_original_with_held_shifts(numbers, checkpointing):
    model = MMDiffusion(tiny_network(checkpointing=checkpointing), MMDiffusionConfig())
    inputs = {k: numbers[k].clone().requires_grad_() for k in ("video", "audio")}
    eps = noises(model.network, numbers | inputs)
    score = eps[0].square().sum() + eps[1].square().sum()
    close(score[None], numbers["grad_scalar"], atol=1e-6)
    score.backward()
    for name, leaf in inputs.items():
        close(leaf.grad.flatten()[numbers[f"grad_{name}_index"]], numbers[f"grad_{name}_value"])
        close(leaf.grad.norm()[None], numbers[f"grad_{name}_norm"])


def test_blocks_with_a_shift_have_the_originals_order_windows_and_dilations(network):
    names = {module: name for name, module in network.named_modules()}
    blocks = network.shifted()
    assert [names[block] for block in blocks] == SETTINGS["shift_order"]
    assert [block.window for block in blocks] == SETTINGS["shift_windows"]
    for name, dilation in SETTINGS["audio_dilation"].items():
        block = network.get_submodule(name)
        assert block.audio_in_layers[2].audio_conv.dilation == (dilation,)


def test_shifts_are_drawn_from_a_generator_with_both_ends_included(network):
    generator = torch.Generator().manual_seed(0)
    draws = torch.tensor([network.draw_shifts(generator) for _ in range(300)])
    assert draws.amin(0).tolist() == [0] * 15
    assert draws.amax(0).tolist() == SETTINGS["shift_max"]
    again = network.draw_shifts(torch.Generator().manual_seed(0))
    assert again == tuple(draws[0].tolist())


class GoldenNoise:
    """DDPM with given noise."""

    def __init__(self, noise):
        self.noise = iter(noise.double())

    def step(self, z, prediction, level, next_level):
        return ancestral_step(z, prediction, level, next_level, next(self.noise))


def run(network, sampler, name, num_steps, monkeypatch):
    """States after every step, per stream, of a run of the loop with the golden shifts."""
    numbers = arrays("sampling")
    model = MMDiffusion(network, MMDiffusionConfig(sampler=sampler))
    shifts = iter(numbers[f"{name}_shifts"].tolist())
    model.shifts_at = lambda level: next(shifts)
    trace = []
    predict = model.predict

    def recording(z, level, y, scale):
        trace.append(z)
        return predict(z, level, y, scale)

    monkeypatch.setattr(model, "predict", recording)
    streams = {s: model.stream(s) for s in STREAMS}
    if sampler == "ddpm":
        for s, stream in streams.items():
            solver = GoldenNoise(numbers[f"ddpm5_noise_{s}"])
            monkeypatch.setattr(stream, "solver", lambda n, g, solver=solver: solver)
    latents = {s: numbers[f"x_T_{s}"].double() for s in streams}
    prompts = {s: b.embed_prompt(["", ""]) for s, b in streams.items()}
    found = sample(streams, latents, prompts, None, SamplingSettings(num_steps=num_steps))
    index = {s: numbers[f"probe_{s}_index"] for s in streams}
    states = [*trace[1:], found.latents]
    return numbers, {s: torch.stack([z[s].flatten()[index[s]] for z in states]) for s in streams}


@pytest.mark.long
@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_every_step_of_the_loop_is_that_of_the_original_sampler(network, sampler, monkeypatch):
    numbers, states = run(network, sampler, f"{sampler}5", 5, monkeypatch)
    for s in STREAMS:
        close(states[s], numbers[f"{sampler}5_trace_{s}"])


@pytest.mark.long
@pytest.mark.parametrize("num_steps", [5, 20])
def test_dpm_solver_in_the_loop_ends_where_the_original_does(network, num_steps, monkeypatch):
    numbers, states = run(network, "dpm-solver", f"dpm{num_steps}", num_steps, monkeypatch)
    for s in STREAMS:
        wanted = numbers[f"dpm{num_steps}_final_{s}"]
        close(states[s][-1] / wanted.abs().max(), wanted / wanted.abs().max())


def test_timesteps_are_those_of_the_original_samplers():
    model = MMDiffusion(tiny_network(), MMDiffusionConfig())
    wanted = {
        ("ddim", 5): SETTINGS["sampling"]["ddim5_model_timesteps"],
        ("ddpm", 5): SETTINGS["sampling"]["ddpm5_model_timesteps"],
        ("dpm-solver", 5): SETTINGS["sampling"]["dpm5_float64_model_timesteps"],
        ("dpm-solver", 20): SETTINGS["sampling"]["dpm20_float64_model_timesteps"],
    }
    for (sampler, num_steps), timesteps in wanted.items():
        model.config = replace(model.config, sampler=sampler)
        assert [level.t for level in model.levels(num_steps)][:-1] == timesteps


@pytest.mark.parametrize(
    ("name", "kind", "total"),
    [
        ("base", lambda: CoupledUNet(CoupledUNetConfig()), 133_675_524),
        ("sr", lambda: ImageUpsampler(ImageUpsamplerConfig()), 311_027_910),
    ],
)
def test_a_network_of_full_size_has_the_published_keys_and_shapes(name, kind, total):
    rows = [line.split("\t") for line in (FOLDER / "keys.tsv").read_text().splitlines()]
    wanted = {key: tuple(map(int, size.split("x"))) for kind, key, size in rows if kind == name}
    with torch.device("meta"):
        state = kind().state_dict()
    assert {key: tuple(tensor.shape) for key, tensor in state.items()} == wanted
    assert sum(tensor.numel() for tensor in state.values()) == total
