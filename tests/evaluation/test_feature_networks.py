"""Columns of the networks that `--features` names: which clips they see, and what is made of it."""

import math

import numpy as np
import pytest
import soundfile
import torch
from tests.media_files import make_video
from tiny_clap import write_clap

from seehear.cli import main
from seehear.errors import SettingsError, WeightsError
from seehear.evaluation import FEATURES, evaluated, load_measure, read_prompts
from seehear.evaluation.feature_cache import fingerprint
from seehear.evaluation.feature_networks import LoadedNetwork
from seehear.evaluation.metric_cards import CARDS
from seehear.media import read_audio
from seehear.metrics.bind import paired_cosine
from seehear.metrics.features.binder import BinderFeatures
from seehear.metrics.features.protocol import Features
from seehear.metrics.frechet import frechet_distance
from seehear.models.binders import linear
from seehear.models.catalogue import BY_NAME

RATE = 16_000
CLIPS = 4


class Tenths:
    """Level and roughness of every tenth of a second: several rows a clip, as VGGish gives."""

    sample_rate = 8_000

    def from_audio(self, waveform, sample_rate):
        assert sample_rate == self.sample_rate
        rows = waveform[0].unfold(0, 800, 800)
        return Features(torch.stack([rows.std(1), rows.diff(dim=1).std(1)], dim=1))


class Colours:
    """Mean colour of a clip."""

    def from_video(self, frames, fps):
        colour = frames.mean((1, 3, 4))
        return Features(colour, colour)


def sound(seed, noise=0.0):
    draw = np.random.default_rng(seed)
    t = np.arange(RATE) / RATE
    return 0.3 * np.sin(2 * np.pi * draw.uniform(200, 2000) * t) + noise * draw.normal(size=RATE)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("clips")
    for name, noise in (("real", 0.0), ("made", 0.05)):
        (root / name).mkdir()
        for k in range(CLIPS):
            soundfile.write(root / name / f"clip{k}.wav", sound(k, noise), RATE)
    return root / "real", root / "made"


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    root = tmp_path_factory.mktemp("videos")
    for name, noise in (("real", 0.0), ("made", 0.05)):
        (root / name).mkdir()
        for k in range(3):
            wave = sound(k, noise)[None].astype(np.float32)
            make_video(root / name / f"clip{k}.mp4", sound=wave, sound_rate=RATE)
    return root / "real", root / "made"


def value(report, name):
    return next(score for score in report.scores if score.name == name)


def names(report):
    return [score.name for score in report.scores]


def test_fad_counts_every_row_of_every_clip_and_resamples_clips(folders):
    network = Tenths()
    report = evaluated("v2a", *folders, features=[LoadedNetwork(FEATURES["vggish"], network)])
    x, y = (
        torch.cat(
            [
                network.from_audio(
                    read_audio(folder / f"clip{k}.wav", 8_000).waveform, 8_000
                ).embedding
                for k in range(CLIPS)
            ]
        )
        for folder in folders
    )
    assert len(x) == len(y) == 10 * CLIPS
    found = value(report, "FAD (VGGish)")
    assert found.value == pytest.approx(frechet_distance(x, y).item(), rel=1e-6)
    assert found.count == CLIPS
    assert found.interval[0] < found.value < found.interval[1]


def test_networks_stand_side_by_side_under_names_of_their_own(videos):
    loaded = [
        LoadedNetwork(FEATURES["i3d"], Colours()),
        load_measure("judge"),
        LoadedNetwork(FEATURES["vggish"], Tenths()),
    ]
    report = evaluated("joint", *videos, features=loaded)
    assert names(report) == [
        "FVD (I3D, crop)", "KVD (I3D, crop)", "KL", "same class", "ISc", "FD", "KD",
        "FAD (VGGish)", "AV-align",
    ]  # fmt: skip
    # The pictures are the same, the sounds are not.
    assert value(report, "FVD (I3D, crop)").value == pytest.approx(0, abs=1e-9)
    assert value(report, "FAD (VGGish)").value > 1e-5
    assert any(
        "FVD (I3D, crop), KVD (I3D, crop): 16 evenly spaced frames" in note for note in report.notes
    )


@pytest.mark.parametrize(
    ("task", "name", "network", "what"),
    [("v2a", "i3d", Colours(), "audio"), ("a2v", "vggish", Tenths(), "video")],
)
def test_a_network_that_cannot_perceive_what_is_made_is_refused(task, name, network, what, folders):
    with pytest.raises(SettingsError, match=rf"{name} cannot embed {what}"):
        evaluated(task, *folders, features=[LoadedNetwork(FEATURES[name], network)])


def test_what_one_network_refuses_no_network_keeps(folders):
    class Refuses(Tenths):
        calls = 0

        def from_audio(self, waveform, sample_rate):
            self.calls += 1
            found = super().from_audio(waveform, sample_rate)
            return Features(found.embedding * (math.nan if self.calls == 2 else 1))

    loaded = [load_measure("judge"), LoadedNetwork(FEATURES["vggish"], Refuses())]
    report = evaluated("v2a", *folders, features=loaded)
    assert report.count == value(report, "KL").count == CLIPS - 1
    assert value(report, "FAD (VGGish)").count == CLIPS - 1
    assert "expected finite features" in report.failures[0].reason


def test_a_binder_scores_sound_picture_and_prompt_pairwise(videos):
    binder = linear.load(dtype=torch.float32)
    loaded = [LoadedNetwork(FEATURES["imagebind"], BinderFeatures(binder, RATE))]
    prompts = {"clip0": "rain", "clip1": "a dog"}
    report = evaluated("joint", *videos, features=loaded, prompts=prompts)
    pairs = [f"{pair}-bind (ImageBind)" for pair in ("AV", "VT", "AT")]
    assert [name for name in names(report) if "bind" in name] == pairs
    assert [value(report, name).count for name in pairs] == [3, 2, 2]
    clip = report.clips["clip2"]
    assert math.isnan(clip["AT-bind (ImageBind)"])
    assert -1 <= clip["AV-bind (ImageBind)"] <= 1
    without = evaluated("joint", *videos, features=loaded)
    assert "AT-bind (ImageBind)" not in names(without)
    assert value(without, pairs[0]).value == value(report, pairs[0]).value


def test_the_pocket_binder_scores_all_pairs_and_says_that_it_may_have_guided(videos):
    loaded = [load_measure("bind")]
    report = evaluated("joint", *videos, features=loaded, prompts={"clip0": "rain"})
    assert names(report) == ["AV-bind", "VT-bind", "AT-bind", "AV-align"]
    assert [score.count for score in report.scores[:3]] == [3, 1, 1]
    network = loaded[0].network
    heard = read_audio(videos[1] / "clip0.mp4", RATE).waveform.mean(0, keepdim=True)
    wanted = paired_cosine(network.from_audio(heard, RATE).embedding, network.read(["rain"])).item()
    assert report.clips["clip0"]["AT-bind"] == pytest.approx(wanted, abs=1e-5)
    assert "AV-bind, VT-bind, AT-bind: this binder may have guided these clips" in report.notes[0]


def test_fad_by_the_judge_counts_patches_of_a_second(folders):
    report = evaluated("v2a", *folders, features=[load_measure("judge-patches")])
    assert names(report)[0] == "FAD (judge)"
    assert value(report, "FAD (judge)").value > 0
    network = load_measure("judge-patches").network
    for seconds, rows in ((0.2, 1), (1.0, 1), (2.56, 2)):
        waveform = torch.zeros(2, round(seconds * RATE))
        assert network.from_audio(waveform, RATE).embedding.shape == (2 * rows, 192)


def test_networks_inside_networks_count_for_what_is_remembered():
    class Inner:
        def __init__(self, seed):
            torch.manual_seed(seed)
            self.towers = torch.nn.Linear(2, 2)

    class Outer:
        def __init__(self, seed):
            self.inner = Inner(seed)

    by_seed = [fingerprint(Outer(seed)) for seed in (0, 0, 1)]
    assert by_seed[0] == by_seed[1] != by_seed[2]


def test_clap_scores_made_sounds_against_their_prompts_from_the_shell(folders, tmp_path, capsys):
    folder = write_clap(tmp_path / "clap")
    words = tmp_path / "prompts.tsv"
    words.write_text("".join(f"clip{k}\ta sound of {k}\n" for k in range(CLIPS)))
    given = ["--real", str(folders[0]), "--generated", str(folders[1]), "--prompts", str(words)]
    capsys.readouterr()
    code = main(["eval", *given, "--features", f"clap={folder}", "--features", "judge", "-q"])
    assert code == 0
    said = capsys.readouterr().out
    assert "CLAP score" in said
    assert "KL (↓)" in said
    network = load_measure(f"clap={folder}").network
    report = evaluated(
        "v2a", *folders, features=[load_measure(f"clap={folder}")], prompts=read_prompts(words)
    )
    heard = read_audio(folders[1] / "clip2.wav", 48_000)
    e_a = network.from_audio(heard.waveform, 48_000).embedding
    wanted = paired_cosine(e_a, network.read(["a sound of 2"])).item()
    assert report.clips["clip2"]["CLAP score"] == pytest.approx(wanted, abs=1e-5)


def test_prompts_that_no_network_reads_are_refused(folders):
    with pytest.raises(SettingsError, match="add --features bind, clap"):
        evaluated("v2a", *folders, prompts={"clip0": "rain"})


@pytest.mark.parametrize("name", [name for name, m in FEATURES.items() if m.entry])
def test_missing_weights_are_told_with_the_command_that_fetches_them(
    name, folders, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("SEEHEAR_HOME", str(tmp_path))
    monkeypatch.setattr("seehear.evaluation.feature_networks.path_of", lambda entry: None)
    given = ["--real", str(folders[0]), "--generated", str(folders[1])]
    assert main(["eval", *given, "--features", name]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"seehear models pull {FEATURES[name].entry}" in said
    assert f"{name}=PATH" in said


def test_unknown_networks_and_files_of_others_are_refused(tmp_path):
    with pytest.raises(SettingsError, match="expected one of judge, judge-patches"):
        load_measure("fid")
    torch.save({"a": torch.zeros(1)}, tmp_path / "x.pth")
    for name in FEATURES.keys() - {"clap"}:
        with pytest.raises(WeightsError, match="expected"):
            load_measure(f"{name}={tmp_path / 'x.pth'}")


@pytest.mark.parametrize(
    ("text", "match"),
    [("", "expected lines"), ("clip0 rain\n", "line 1"), ("a\tb\na\tc\n", "line 2"),
     ("a\t\n", "line 1")],
)  # fmt: skip
def test_prompts_in_another_form_are_refused_by_line(text, match, tmp_path):
    (tmp_path / "p.tsv").write_text(text)
    with pytest.raises(SettingsError, match=match):
        read_prompts(tmp_path / "p.tsv")
    with pytest.raises(SettingsError, match="expected a UTF-8 text file of prompts"):
        read_prompts(tmp_path / "none.tsv")


def test_every_column_has_a_card_and_every_entry_is_named_in_the_help(capsys):
    assert main(["eval", "--help"]) == 0
    said = capsys.readouterr().out
    for measure in FEATURES.values():
        assert measure.name in said
        # Weights are in the package, in the catalogue, in another package, or the user's own.
        places = [
            bool(measure.shipped),
            measure.entry in BY_NAME,
            bool(measure.extra),
            measure.name == "yamnet",
        ]
        assert sum(places) == 1
        for column in measure.columns.values():
            card = CARDS[column]
            assert card.network.startswith(measure.network)
            assert card.formula
            assert card.input
            assert card.scale
