"""The paper's runs at their true sizes without weights: recipes, predictions and memory plans."""

import gc
import math
from types import SimpleNamespace

import pytest
import torch
from small_family import moving_frames, small_family, write_small
from tests import golden_numbers
from tests.media_files import make_video

from seehear.cli import main
from seehear.cli.load_models import load_options, memory_plan
from seehear.cli.run_options import OutputOptions, RunOptions
from seehear.diagnostics import memory_mode, random_models
from seehear.diagnostics.estimate import estimate_lines, estimate_run
from seehear.diagnostics.memory_mode import MemoryPlan, fitting, plans_for
from seehear.errors import SettingsError
from seehear.models.binders import imagebind
from seehear.models.binders.imagebind import state_dict_shapes
from seehear.models.binders.imagebind.towers import MODALITIES
from seehear.models.cache import cache_dir
from seehear.models.catalogue import BY_NAME, find_model
from seehear.models.load_options import LoadOptions
from seehear.pipeline.inputs import as_video
from seehear.pipeline.paper_runs import PAPER_RUNS, paper_run_for
from seehear.pipeline.presets import presets_of, with_overrides
from seehear.pipeline.request import Request
from seehear.pipeline.studio import Studio


def test_imagebinds_keys_shapes_and_number_of_elements_are_the_published_ones():
    shapes = state_dict_shapes.published_shapes()
    assert len(shapes) == state_dict_shapes.NUM_TENSORS == 1311
    assert sum(math.prod(shape) for shape in shapes.values()) == 1_200_786_990
    towers = random_models.imagebind(device="meta").towers
    wanted = state_dict_shapes.published_shapes(MODALITIES)
    wanted.pop("modality_preprocessors.text.mask")  # the causal mask is no weight
    assert {k: tuple(v.shape) for k, v in towers.state_dict().items()} == wanted
    assert BY_NAME["imagebind"].parameters == state_dict_shapes.NUM_ELEMENTS


@pytest.mark.parametrize(
    ("build", "millions"),
    [
        (lambda: random_models.audioldm("s", device="meta"), 185.0),
        (lambda: random_models.audioldm("m", device="meta"), 416.0),
        (lambda: random_models.audioldm("l", device="meta"), 739.1),
        (lambda: random_models.animatediff(device="meta", num_frames=1), 859.5),
        (lambda: random_models.animatediff("v2", device="meta"), 1312.7),
    ],
)
def test_denoisers_have_their_published_sizes(build, millions):
    size = sum(p.numel() for p in build().unet.parameters())
    assert size / 1e6 == pytest.approx(millions, abs=0.05)


def test_sizes_in_the_table_are_those_of_the_models():
    parts = ("unet", "vae", "vocoder", "text_encoder")
    for size, name in (("s", "s-full-v2"), ("m", "m-full"), ("l", "l-full")):
        model = random_models.audioldm(size, device="meta")
        total = sum(p.numel() for part in parts for p in getattr(model, part).parameters())
        assert total == pytest.approx(BY_NAME[f"audioldm-{name}"].parameters, rel=0.002)


@pytest.mark.parametrize("name", PAPER_RUNS)
def test_a_recipe_has_known_checkpoints_and_its_tasks_preset(name):
    recipe = PAPER_RUNS[name]
    assert presets_of(recipe.task)[name] is recipe.preset
    assert name.endswith("-fast") == recipe.preset.latent_encoder
    for source in (recipe.audio, recipe.video, recipe.motion):
        assert source is None or find_model(source) is not None
    steps = {"v2a": 30, "i2a": 30, "a2v": 25, "joint": 25}
    assert recipe.preset.settings.num_steps == steps[recipe.task]
    rates = recipe.preset.settings.aligner.lr_latents
    rates = rates if isinstance(rates, dict) else {("video" if recipe.video else "audio"): rates}
    assert all(rates[stream] == {"audio": 0.1, "video": 0.01}[stream] for stream in rates)


@pytest.mark.slow
def test_the_dearest_plan_takes_a_fraction_of_the_memory():
    recipe = PAPER_RUNS["paper-v2a"]
    first, *_, last = plans_for("cuda")
    plain, frugal = estimate_run(recipe, first), estimate_run(recipe, last)
    assert frugal.peak_bytes < 0.25 * plain.peak_bytes
    assert frugal.resident_bytes < 0.25 * plain.resident_bytes
    text = "\n".join(estimate_lines(plain, flops_per_s=1e12))
    assert "30 steps, 23 of them guided" in text
    assert "vocoder" in text


@pytest.mark.long
def test_a_longer_clip_and_fewer_steps_are_predicted_so():
    found = estimate_run(PAPER_RUNS["paper-v2a"], duration_s=60.0, num_steps=10)
    assert (found.num_steps, found.num_guided) == (10, 7)
    # Of 10.24 s, neighbours sharing a quarter: 60 = 10.24 + 6.48 * 7.68.
    assert found.num_windows == {"audio": 8}
    costs = found.streams["audio"]
    assert found.seconds(1e12) == pytest.approx(8 * costs.seconds(10, 7, 1e12))


def test_the_fastest_plan_that_fits_is_taken():
    sizes = dict(zip(plans_for("cuda"), (100, 60, 30, 10), strict=True))
    assert fitting("cuda", 100, sizes.__getitem__) == MemoryPlan()
    assert fitting("cuda", 59, sizes.__getitem__) == MemoryPlan(torch.bfloat16, True)
    with pytest.raises(SettingsError, match=r"smallest takes 0\.0 GB"):
        fitting("cuda", 9, sizes.__getitem__)
    assert memory_mode.free_bytes("cpu") > 0


def test_a_lean_binders_towers_are_on_the_device_only_while_they_are_needed(monkeypatch):
    towers = golden_numbers.imagebind_towers().float()
    moves = []
    monkeypatch.setattr(
        type(towers), "move", lambda self, modality, device: moves.append((modality, str(device)))
    )
    monkeypatch.setattr(imagebind, "OFFLOAD_DEVICE", "away")
    binder = imagebind.ImageBind(towers, device="cpu", lean=True)
    with torch.no_grad():
        binder.embed_video(torch.rand(1, 2, 3, 32, 32))
    assert moves == [("vision", "cpu"), ("vision", "away")]
    waveform = torch.rand(1, 16000, requires_grad=True)
    moves.clear()
    binder.embed_audio(waveform, 16000).sum().backward()
    assert moves == [("audio", "cpu")]  # it is needed again at the next step


def test_a_lean_binder_embeds_the_same():
    towers = golden_numbers.imagebind_towers().float()
    frames = torch.rand(1, 2, 3, 32, 32)
    plain, lean = (imagebind.ImageBind(towers, device="cpu", lean=x) for x in (False, True))
    with torch.no_grad():
        assert torch.equal(plain.embed_video(frames), lean.embed_video(frames))


@pytest.mark.long
def test_memory_returns_to_the_base_line_after_each_of_five_runs(tmp_path):
    studio = Studio(small_family(write_small(tmp_path)))
    video = as_video(moving_frames(25), fps=25.0)

    def alive():
        gc.collect()
        # By type: `isinstance` would ask deprecated objects of libraries, which complain.
        kinds = (torch.Tensor, torch.nn.Parameter)
        tensors = (o for o in gc.get_objects() if type(o) in kinds)
        return sum({t.untyped_storage().data_ptr(): t.nbytes for t in tensors}.values())

    def run():
        studio.video_to_audio(video, "rain", preset=with_overrides("authors", num_steps=4))

    run()  # loads the models
    before = alive()
    for _ in range(5):
        run()
        assert alive() <= before


@pytest.mark.long
def test_a_recipe_is_planned_without_its_weights(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SEEHEAR_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "clip.mp4")
    arguments = ["v2a", "clip.mp4", "-o", "out.mp4", "--preset", "paper-v2a", "--dry-run"]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "GB at the peak" in said
    assert "imagebind: about 4.80 GB" in said
    assert "no commercial use" in said
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize(
    ("preset", "amount", "said"),
    [
        ("paper-v2a", "lots", "auto or a number"),
        ("default", "4", "pocket family needs about 1 GB"),
    ],
)
def test_a_memory_that_cannot_be_is_refused(tmp_path, capsys, monkeypatch, preset, amount, said):
    monkeypatch.setenv("SEEHEAR_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "clip.mp4")
    asked = ["--preset", preset, "--memory", amount, "--dry-run"]
    assert main(["v2a", "clip.mp4", "-o", "out.mp4", *asked]) == 2
    assert said in capsys.readouterr().err


def test_a_budget_chooses_the_plan_from_the_shell(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SEEHEAR_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "clip.mp4")
    sizes = {MemoryPlan(): 9e9, MemoryPlan(checkpointing=True): 5e9}

    def predicted(recipe, plan=MemoryPlan(), duration_s=None, num_steps=None):  # noqa: B008
        return SimpleNamespace(peak_bytes=sizes.get(plan, 3e9), plan=plan)

    monkeypatch.setattr("seehear.cli.load_models.estimate_run", predicted)
    monkeypatch.setattr("seehear.cli.load_models.estimate_lines", lambda found: [str(found.plan)])
    arguments = ["v2a", "clip.mp4", "-o", "out.mp4", "--preset", "paper-v2a", "--dry-run"]
    assert main([*arguments, "--memory", "6"]) == 0
    assert "float32, activations recomputed" in capsys.readouterr().out
    assert main([*arguments, "--memory", "1"]) == 2
    assert "smallest takes 3.0 GB" in capsys.readouterr().err


def options(load, **changes):
    return RunOptions(request=Request(task="v2a"), load=load, **changes)


def test_the_models_of_the_paper_are_planned_for_the_task_alone():
    asked = options(LoadOptions(models="paper"), memory="1000")
    seen = []

    def peak(recipe, plan):
        seen.append((recipe.audio is not None, recipe.video is not None))
        return SimpleNamespace(peak_bytes=1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seehear.cli.load_models.estimate_run", peak)
        for task in ("v2a", "i2a", "a2v", "a2i", "joint", None):
            memory_plan(asked, task)
    sound, picture, both = (True, False), (False, True), (True, True)
    assert seen == [sound, sound, picture, picture, both, both, sound]


@pytest.mark.slow
def test_a_single_picture_takes_less_than_a_video():
    found = [estimate_run(paper_run_for(task)) for task in ("a2i", "a2v")]
    assert found[0].peak_bytes < found[1].peak_bytes
    assert found[0].resident_bytes < found[1].resident_bytes  # no motion adapter


def test_what_will_be_fetched_is_told_before(capsys, monkeypatch):
    monkeypatch.setattr("seehear.cli.load_models.path_of", lambda entry: None)
    load_options(options(LoadOptions(captioner="blip", video="sd-1.5")))
    said = capsys.readouterr().err
    assert "0.99 GB from Salesforce/blip-image-captioning-base" in " ".join(said.split())
    assert "CreativeML OpenRAIL-M" in said
    load_options(options(LoadOptions(models="paper")), "v2a")
    said = capsys.readouterr().err
    assert "audioldm-m-full" in said
    assert "motion" not in said
    load_options(options(LoadOptions(captioner="blip"), output=OutputOptions(quiet=True)))
    assert capsys.readouterr().err == ""


@pytest.mark.slow  # a full-size AnimateDiff on the meta device
def test_a_joint_recipe_is_planned_too(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SEEHEAR_HOME", str(tmp_path))
    assert cache_dir() == tmp_path
    target = str(tmp_path / "out.mp4")
    assert main(["joint", "rain", "-o", target, "--preset", "paper-joint", "--dry-run"]) == 0
    assert "video denoiser" in capsys.readouterr().out
