"""Known checkpoints: found, checked and converted without a network; licences refused by name."""

import json
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from diffusers.models.unets.unet_motion_model import MotionAdapter
from huggingface_hub import snapshot_download
from huggingface_hub.utils import filter_repo_objects
from safetensors.torch import load_file, save_file
from small_family import write_small
from tests.golden_numbers import FOLDER

from seehear.cli import main
from seehear.errors import SettingsError, WeightsError
from seehear.hashes import file_sha256
from seehear.models import cache, checkpoints
from seehear.models.backbones.animatediff.published_motion import motion_adapter_from_original
from seehear.models.binders.imagebind.towers import towers_from_state
from seehear.models.catalogue import (
    BY_NAME,
    ENTRIES,
    find_model,
    refuse_non_commercial,
    require_model,
)
from seehear.models.convert import convert
from seehear.models.families import load_family
from seehear.models.load_options import LoadOptions
from seehear.models.shipped import POCKET
from seehear.models.weights import licence_in, read_state_dict

IMAGEBIND = BY_NAME["imagebind"]


def test_every_entry_has_a_name_of_its_own_a_known_licence_and_a_plausible_size():
    assert len(BY_NAME) == len(ENTRIES)
    for entry in ENTRIES:
        assert entry.terms.permits
        assert 1.9 <= entry.bytes_ / entry.parameters <= 4.2
        assert entry.is_file or re.fullmatch(r"[\w.-]+/[\w.-]+", entry.source)
        if not entry.terms.allows_commercial:  # then there is something to use instead
            part = {"name": f"{entry.role}/{entry.name}", "licence": entry.licence}
            with pytest.raises(SettingsError, match=r"; use \S+"):
                refuse_non_commercial([part])


def test_an_entry_is_found_by_name_source_and_file():
    assert find_model("imagebind") is IMAGEBIND
    assert find_model(IMAGEBIND.source) is IMAGEBIND
    assert find_model("some/where/imagebind_huge.pth") is IMAGEBIND
    assert find_model("cvssp/audioldm-m-full") is BY_NAME["audioldm-m-full"]
    assert find_model("my/own") is None
    with pytest.raises(WeightsError, match="models list"):
        require_model("no-such-model")


def original_names(adapter: MotionAdapter) -> dict[str, torch.Tensor]:
    """The adapter's weights as AnimateDiff's own files call them."""
    found = {}
    for key, tensor in adapter.state_dict().items():
        key = re.sub(r"(motion_modules\.\d+)\.", r"\1.temporal_transformer.", key)
        key = key.replace(".norm1.", ".norms.0.").replace(".norm2.", ".norms.1.")
        key = key.replace(".norm3.", ".ff_norm.")
        key = key.replace(".attn1.", ".attention_blocks.0.").replace(
            ".attn2.", ".attention_blocks.1."
        )
        if "pos_embed.pe" in key:
            for block in (0, 1):
                found[key.replace("pos_embed.pe", f"attention_blocks.{block}.pos_encoder.pe")] = (
                    tensor.clone()
                )
        else:
            found[key] = tensor
    return found


@pytest.mark.parametrize(("has_middle", "positions"), [(False, 24), (True, 32), (False, 32)])
@pytest.mark.parametrize("wrapped", [False, True])
def test_motion_files_of_all_versions_become_adapters(tmp_path, has_middle, positions, wrapped):
    torch.manual_seed(0)
    adapter = MotionAdapter(
        block_out_channels=(16, 32),
        motion_num_attention_heads=8,
        motion_norm_num_groups=16,
        use_motion_mid_block=has_middle,
        motion_max_seq_length=positions,
    )
    state = original_names(adapter)
    if wrapped:  # as the training script saves it
        state = {"global_step": 3, "state_dict": {f"module.{k}": v for k, v in state.items()}}
    torch.save(state, tmp_path / "mm.ckpt")
    read = motion_adapter_from_original(tmp_path / "mm.ckpt")
    assert read.config["motion_max_seq_length"] == positions
    assert read.config["use_motion_mid_block"] is has_middle
    assert read.state_dict().keys() == adapter.state_dict().keys()
    for key, tensor in adapter.state_dict().items():
        assert torch.equal(read.state_dict()[key], tensor), key


def test_a_motion_file_with_a_weight_missing_is_refused(tmp_path):
    state = original_names(MotionAdapter(block_out_channels=(16, 32), motion_norm_num_groups=16))
    del state["up_blocks.0.motion_modules.0.temporal_transformer.proj_in.weight"]
    torch.save(state, tmp_path / "mm.ckpt")
    with pytest.raises(WeightsError, match=r"proj_in\.weight"):
        motion_adapter_from_original(tmp_path / "mm.ckpt")


def test_a_motion_file_converts_to_a_folder_of_safetensors(tmp_path):
    adapter = MotionAdapter(block_out_channels=(16, 32), motion_norm_num_groups=16)
    torch.save(original_names(adapter), tmp_path / "mm.ckpt")
    folder = convert(tmp_path / "mm.ckpt", tmp_path / "motion", dtype=torch.bfloat16)
    again = MotionAdapter.from_pretrained(folder, low_cpu_mem_usage=False)
    key = "down_blocks.0.motion_modules.0.proj_in.weight"
    wanted = adapter.state_dict()[key].bfloat16()
    assert torch.equal(again.state_dict()[key].bfloat16(), wanted)
    with pytest.raises(SettingsError, match="folder"):
        convert(tmp_path / "mm.ckpt", tmp_path / "motion.safetensors")


def test_imagebind_converts_without_the_towers_that_are_not_used(tmp_path):
    state = load_file(FOLDER / "imagebind" / "state_dict.safetensors")
    state["modality_preprocessors.text.token_embedding.weight"] = torch.zeros(49408, 56)
    torch.save(state, tmp_path / "imagebind_huge.pth")
    path = convert(tmp_path / "imagebind_huge.pth", tmp_path / "small.safetensors")
    small = read_state_dict(path)
    assert any(".depth." in key for key in state)
    assert not any(f".{m}." in key for key in small for m in ("depth", "thermal", "imu"))
    heads = dict.fromkeys(("vision", "audio", "text"), 4)
    before, after = (towers_from_state(s, heads=heads).state_dict() for s in (state, small))
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert licence_in(path) == IMAGEBIND.licence


def test_an_imagebind_with_a_weight_missing_does_not_convert(tmp_path):
    state = load_file(FOLDER / "imagebind" / "state_dict.safetensors")
    torch.save(state, tmp_path / "imagebind_huge.pth")  # the text tower's table is not in it
    with pytest.raises(WeightsError, match="imagebind_huge"):
        convert(tmp_path / "imagebind_huge.pth", tmp_path / "small.safetensors")
    assert not list(tmp_path.glob("small*"))


def test_plain_tensors_convert_and_keep_their_values(tmp_path):
    torch.save({"a": torch.arange(4.0), "n": torch.tensor(3)}, tmp_path / "x.pth")
    path = convert(tmp_path / "x.pth", tmp_path / "x.safetensors", dtype=torch.bfloat16)
    read = read_state_dict(path)
    assert read["a"].dtype == torch.bfloat16
    assert read["n"].dtype == torch.int64
    assert not list(tmp_path.glob("*.part"))


def test_the_shipped_weights_are_those_that_were_listed():
    verdicts = list(checkpoints.verify(POCKET))
    assert len(verdicts) >= 10
    for verdict in verdicts:
        assert verdict.is_fine, verdict
        assert "as published" in verdict.detail


def test_a_cut_or_changed_file_is_found(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({"a": torch.zeros(1000)}, path)
    digest = file_sha256(path)
    (tmp_path / "SHA256SUMS").write_text(f"{digest}  model.safetensors\n")
    assert next(checkpoints.verify(tmp_path)).is_fine
    save_file({"a": torch.ones(1000)}, path)
    assert "differs from the published" in next(checkpoints.verify(tmp_path)).detail
    path.write_bytes(path.read_bytes()[:-5])
    assert not next(checkpoints.verify(tmp_path)).is_fine
    with pytest.raises(WeightsError, match="found none"):
        next(checkpoints.verify(tmp_path / "nowhere"))


def test_files_in_the_hubs_cache_are_checked_by_the_hash_that_names_them(tmp_path):
    blob = tmp_path / "blob.safetensors"
    save_file({"a": torch.zeros(3)}, blob)
    named = blob.rename(tmp_path / file_sha256(blob))
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    (snapshot / "model.safetensors").symlink_to(named)
    assert "as published" in next(checkpoints.verify(snapshot)).detail
    named.write_bytes(named.read_bytes()[:-4] + b"abcd")
    assert not next(checkpoints.verify(snapshot)).is_fine


def test_a_file_whose_name_holds_the_first_digits_of_its_hash_is_checked_by_them(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file({"a": torch.zeros(3)}, path)
    whole = file_sha256(path)
    entry = replace(BY_NAME["clap"], sha256={path.name: whole[:8]})
    assert "as published" in next(checkpoints.verify(path, entry)).detail
    entry = replace(entry, sha256={path.name: "01234567" if whole[:2] != "01" else "76543210"})
    assert not next(checkpoints.verify(path, entry)).is_fine


def test_a_file_of_the_wrong_size_is_not_imagebind(tmp_path):
    torch.save({"a": torch.zeros(5)}, tmp_path / "imagebind_huge.pth")
    verdict = next(checkpoints.verify(tmp_path / "imagebind_huge.pth", IMAGEBIND))
    assert not verdict.is_fine
    assert "1200.8 M" in verdict.detail


def test_a_single_file_is_fetched_resumed_and_never_half_there(tmp_path, monkeypatch):
    monkeypatch.setenv("SEEHEAR_HOME", str(tmp_path))
    asked = []

    def cut_off(url, file, *, resume_size, **others):
        asked.append(resume_size)
        file.write(b"12345"[resume_size:3] if not resume_size else b"12345"[resume_size:])
        if not resume_size:
            raise OSError("connection lost")

    monkeypatch.setattr(checkpoints, "http_get", cut_off)
    monkeypatch.setattr(checkpoints, "download", lambda *_, **__: tmp_path)
    with pytest.raises(WeightsError, match=r"resumes from .*\.part"):
        checkpoints.pull(IMAGEBIND)
    assert cache.path_of(IMAGEBIND) is None
    path = checkpoints.pull(IMAGEBIND)
    assert asked == [0, 3]
    assert path.read_bytes() == b"12345"
    assert cache.path_of(IMAGEBIND) == path


def test_without_a_network_a_pull_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("SEEHEAR_HOME", str(tmp_path))
    nowhere = replace(IMAGEBIND, source="https://127.0.0.1:9/imagebind_huge.pth")
    with pytest.raises(WeightsError, match="check the connection"):
        checkpoints.pull(nowhere)


@pytest.fixture
def nothing_left(tmp_path, monkeypatch):
    """A server that has nothing more to send of ImageBind, and five bytes that are here."""
    monkeypatch.setenv("SEEHEAR_HOME", str(tmp_path))
    headers = {}

    def refuse(url, file, *, resume_size, **others):
        error = OSError("range")
        error.response = SimpleNamespace(status_code=416, headers=headers)
        raise error

    monkeypatch.setattr(checkpoints, "http_get", refuse)
    monkeypatch.setattr(checkpoints, "download", lambda *_, **__: tmp_path)
    part = tmp_path / "imagebind" / "imagebind_huge.pth.part"
    part.parent.mkdir()
    part.write_bytes(b"12345")
    return headers


@pytest.mark.parametrize("says", [{}, {"Content-Range": "bytes */5"}])
def test_a_whole_file_under_its_other_name_is_taken(nothing_left, says):
    nothing_left.update(says)
    assert checkpoints.pull(IMAGEBIND).read_bytes() == b"12345"


def test_more_than_the_whole_file_is_not_taken_for_it(nothing_left):
    nothing_left["Content-Range"] = "bytes */4"
    with pytest.raises(WeightsError, match=r"at most 4 bytes.*got 5; delete it"):
        checkpoints.pull(IMAGEBIND)
    assert cache.path_of(IMAGEBIND) is None


def lay_down(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")


def test_what_an_interrupted_download_left_is_not_a_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "snapshot_download", lambda *_, **__: str(tmp_path))
    entry = BY_NAME["sd-1.5"]
    lay_down(tmp_path, "vae/config.json")
    assert cache.path_of(entry) is None
    listed = {
        "vae": ["diffusers", "AutoencoderKL"],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
        "image_encoder": [None, None],
    }
    (tmp_path / "model_index.json").write_text(json.dumps(listed))
    lay_down(tmp_path, "scheduler/scheduler_config.json")
    assert cache.path_of(entry) is None  # the VAE's weights are still to come
    lay_down(tmp_path, "vae/diffusion_pytorch_model.safetensors")
    assert cache.path_of(entry) == tmp_path


def test_a_network_in_parts_is_whole_with_the_last_of_them(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "snapshot_download", lambda *_, **__: str(tmp_path))
    entry = BY_NAME["qwen3-vl"]
    names = [f"model-0000{k}-of-00002.safetensors" for k in (1, 2)]
    lay_down(tmp_path, "config.json", names[0])
    index = {"weight_map": dict(zip("ab", names, strict=True))}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert cache.path_of(entry) is None
    lay_down(tmp_path, names[1])
    assert cache.path_of(entry) == tmp_path


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["motion-v1-5", "--revision", "abc"], "give --folder too"),
        (["imagebind", "--revision", "abc", "--folder", "here"], "a single file"),
    ],
)
def test_a_revision_that_would_not_be_used_is_refused(arguments, sentence, capsys):
    assert main(["models", "pull", *arguments]) == 2
    assert sentence in capsys.readouterr().err


def test_a_pull_takes_only_the_files_that_load(tmp_path, monkeypatch):
    asked = {}

    def fake(name, *, allow_patterns, ignore_patterns, local_dir, revision, **others):
        asked[name] = (allow_patterns, local_dir, revision)
        there = ["unet/x.fp16.safetensors", "safety_checker/x.safetensors", "unet/x.safetensors"]
        taken = filter_repo_objects(there, ignore_patterns=ignore_patterns)
        assert list(taken) == ["unet/x.safetensors"]
        return str(tmp_path)

    monkeypatch.setattr("seehear.models.weights.snapshot_download", fake)
    checkpoints.pull(BY_NAME["motion-v1-5"], folder=tmp_path / "m", revision="abc")
    patterns, folder, revision = asked["guoyww/animatediff-motion-adapter-v1-5"]
    assert "config.json" in patterns
    assert (folder, revision) == (tmp_path / "m", "abc")
    assert snapshot_download is not fake


@pytest.mark.parametrize(("suffix", "calls"), [(".safetensors", 1), (".bin", 2)])
def test_a_network_without_safetensors_is_taken_as_it_is(tmp_path, monkeypatch, suffix, calls):
    asked = []

    def fake(name, *, allow_patterns, **others):
        asked.append(allow_patterns)
        (tmp_path / "config.json").write_text("{}")
        (tmp_path / f"pytorch_model{suffix}").write_bytes(b"")
        return str(tmp_path)

    monkeypatch.setattr("seehear.models.weights.snapshot_download", fake)
    checkpoints.pull(BY_NAME["clap"])
    assert len(asked) == calls
    assert asked[1:] == [["pytorch_model*.bin"]][: calls - 1]


def test_commercial_use_is_refused_with_the_reason_and_the_alternative():
    shipped = load_family().weights(("audio", "video"))
    refuse_non_commercial(shipped)
    bound = {"name": "binder/imagebind_huge.pth", "licence": IMAGEBIND.licence}
    with pytest.raises(SettingsError, match=r"CC BY-NC-SA 4.0: no commercial.*--models pocket"):
        refuse_non_commercial([*shipped, bound])
    with pytest.raises(SettingsError, match="has no licence tag"):
        refuse_non_commercial([{"name": "audio/unet", "licence": None}])


def said(capsys, *arguments, code=0):
    assert main(list(arguments)) == code
    return capsys.readouterr()


def test_the_list_names_every_model_with_its_licence(capsys):
    lines = said(capsys, "models", "list").out.splitlines()
    assert len(lines) == len(ENTRIES) + 1
    row = next(line for line in lines if line.startswith("imagebind"))
    assert "4.80" in row
    assert "CC BY-NC-SA 4.0" in row


def test_a_model_that_is_not_here_is_said_to_be_missing(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("SEEHEAR_HOME", str(tmp_path))
    assert "models pull imagebind" in said(capsys, "models", "path", "imagebind", code=1).err
    assert "models pull imagebind" in said(capsys, "models", "verify", "imagebind", code=2).err
    assert "models list" in said(capsys, "models", "verify", "nothing", code=2).err


def test_size_and_licence_are_said_before_a_download_and_no_means_no(capsys, monkeypatch):
    monkeypatch.setattr(checkpoints, "pull", lambda *_, **__: pytest.fail("fetched"))
    monkeypatch.setattr("typer.confirm", lambda *_, **__: False)
    told = said(capsys, "models", "pull", "imagebind", code=1).err
    assert "4.80 GB" in told
    assert "no commercial use" in told


def test_verify_and_convert_from_the_shell(capsys, tmp_path):
    assert "BAD" not in said(capsys, "models", "verify", "pocket").out
    torch.save({"a": torch.zeros(2)}, tmp_path / "a.pth")
    target = str(tmp_path / "a.safetensors")
    said(capsys, "models", "convert", str(tmp_path / "a.pth"), "-o", target)
    (tmp_path / "a.safetensors").write_bytes(b"not tensors")
    assert "BAD" in said(capsys, "models", "verify", target, code=1).out


def test_commercial_use_of_the_paper_family_is_refused_before_anything_is_loaded(tmp_path):
    with pytest.raises(SettingsError, match="imagebind is under CC BY-NC-SA"):
        load_family(LoadOptions(models="paper", binder=tmp_path / "none.pth", commercial=True))


def test_commercial_use_of_a_known_model_is_refused_before_it_is_fetched():
    for name in ("audioldm-m-full", "cvssp/audioldm-m-full"):
        with pytest.raises(SettingsError, match="audio/audioldm-m-full is under CC BY-NC-SA"):
            load_family(LoadOptions(audio=name, commercial=True))


def test_a_name_of_the_table_stands_for_its_source(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(
        "seehear.models.families.backbones.load", lambda source, *_, **__: asked.append(source)
    )
    load_family(LoadOptions(audio="audioldm-m-full")).loaders["audio"]()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "audioldm-m-full").mkdir()  # a folder of one's own goes first
    load_family(LoadOptions(audio="audioldm-m-full")).loaders["audio"]()
    assert asked == ["cvssp/audioldm-m-full", "audioldm-m-full"]


def test_commercial_use_of_another_model_is_refused_when_it_is_loaded(tmp_path):
    family = load_family(LoadOptions(audio=write_small(tmp_path), commercial=True))
    with pytest.raises(SettingsError, match=r"audio/.* has no licence tag"):
        family.backbone("audio")
    (tmp_path / "README.md").write_text("---\nlicense: MIT\n---\n")
    assert load_family(LoadOptions(audio=tmp_path / "audio", commercial=True)).backbone("audio")


TAKEN_BY = {
    "audio": "--audio",
    "image": "--video",
    "motion": "--motion",
    "decoder": "",
    "binder": "--binder",
    "image captioner": "--captioner",
    "audio captioner": "--captioner",
    "measure": "--features",
}


@pytest.mark.parametrize("entry", [e for e in ENTRIES if e.manual_file], ids=lambda e: e.name)
def test_a_row_that_is_downloaded_manually_names_its_file_and_option(entry, capsys):
    assert entry.role == "joint"
    assert entry.manual_file.endswith(".pt")
    assert require_model(entry.name) is entry
    assert entry.takes in said(capsys, "joint", "--help").out


@pytest.mark.parametrize("entry", [e for e in ENTRIES if not e.manual_file], ids=lambda e: e.name)
def test_every_row_of_the_page_resolves_to_an_option_and_the_files_of_its_format(entry, capsys):
    assert entry.takes == TAKEN_BY[entry.role]
    commands = {"image": "a2v", "motion": "a2v", "measure": "eval"}
    command = commands.get(entry.role, "v2a")
    if entry.takes:
        assert entry.takes in said(capsys, command, "--help").out
    assert require_model(entry.name) is require_model(entry.source) is entry
    patterns = checkpoints.files_of(entry)
    assert any(pattern.endswith(".safetensors") for pattern in patterns)
    assert any("json" in pattern for pattern in patterns)
