"""Every shot of a video gets audio of its own, joined at the cuts."""

from dataclasses import replace

import pytest
import torch
from small_family import small_family, write_small
from tests.media_files import scene

from seehear.errors import SettingsError
from seehear.media import peak_dbfs, write_video
from seehear.pipeline.inputs import as_video
from seehear.pipeline.manifest_schema import problem_in
from seehear.pipeline.presets import DEFAULT, with_overrides
from seehear.pipeline.shot_list import Shot, checked, read_shots, shots_text
from seehear.pipeline.shots import FADE_S, joined, parts_of, seed_of_shot, shots_of
from seehear.pipeline.studio import Studio

QUICK = with_overrides(DEFAULT, num_steps=4)
FPS = 25.0
LENGTHS = (30, 55, 20, 41, 64)
RATE = 16_000


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    return Studio(small_family(write_small(tmp_path_factory.mktemp("models"))))


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Five shots of different textures."""
    path = tmp_path_factory.mktemp("clips") / "film.mp4"
    frames = torch.cat([scene(seed, count) for seed, count in enumerate(LENGTHS)])
    return write_video(path, frames, FPS) or path


def test_five_shots_have_five_sounds(studio, film):
    calls = []
    result = studio.video_to_audio(
        film, preset=QUICK, shots="auto", seed=3, on_step=lambda s: calls.append((s.i, s.num_steps))
    )
    assert result.waveform.shape == (1, round(sum(LENGTHS) / FPS * result.sample_rate))
    shots = result.settings["shots"]
    assert len(shots) == 5
    assert [shot["from_s"] for shot in shots] == pytest.approx([0, 1.2, 3.4, 4.2, 5.84])
    assert calls == [(i, 20) for i in range(20)]
    assert [step["i"] for step in result.trace] == list(range(20))
    assert result.seed == 3
    assert problem_in(result.manifest()) is None
    rate = result.sample_rate
    inner = [
        result.waveform[0, round((s["from_s"] + 0.1) * rate) :][: round(0.5 * rate)] for s in shots
    ]
    assert all(peak_dbfs(part) > -60 for part in inner)
    assert not any(torch.equal(a, b) for a in inner for b in inner if a is not b)


def test_a_shot_is_generated_as_a_clip_of_its_own_frames(studio, film):
    shots = [Shot(start_s=1.2, end_s=3.4, prompt="rain")]
    job = studio.job("v2a", as_video(film), preset=QUICK, shots=shots, seed=1)
    (part,) = job.shots
    assert part.job.seed == job.seed == 1
    assert part.job.prompt == "rain"
    assert part.job.duration_s == pytest.approx(2.2)
    times = torch.tensor(part.job.condition.times_s)
    assert (times >= 0).all()
    assert (times < 2.2).all()
    alone = studio.make(replace(part.job)).waveform[0]
    whole = studio.make(job).waveform[0]
    assert len(whole) == round(sum(LENGTHS) / FPS * RATE)
    start, end = round(1.2 * RATE), round(3.4 * RATE)
    assert whole[: start - 800].abs().max() < 1e-3  # silence where there is no shot
    assert whole[end + 800 :].abs().max() < 1e-3
    similar = torch.nn.functional.cosine_similarity(whole[start:end], alone, dim=0)
    assert similar > 0.99


def test_a_list_of_seeds_gives_takes_of_all_shots(studio, film):
    shots = [Shot(start_s=0.0, end_s=1.2), Shot(start_s=1.2, end_s=3.4)]
    first, second = studio.video_to_audio(film, "rain", [0, 1], preset=QUICK, shots=shots)
    assert -1 <= first.agreement <= 1
    assert not torch.equal(first.waveform, second.waveform)
    again = studio.video_to_audio(film, "rain", 1, preset=QUICK, shots=shots)
    assert torch.equal(again.waveform, second.waveform)


def test_prompts_and_vetoes_of_a_shot_replace_those_of_the_film(studio, film):
    shots = [
        Shot(start_s=0.0, end_s=1.2, prompt="a dog", veto="wind"), Shot(start_s=1.2, end_s=3.4)
    ]  # fmt: skip
    job = studio.job("v2a", as_video(film), prompt="rain", veto="speech", preset=QUICK, shots=shots)
    assert [part.job.prompt for part in job.shots] == ["a dog", "rain"]
    assert [part.job.references["veto"].text for part in job.shots] == ["wind", "speech"]
    assert job.prompt == "a dog; rain"


def test_sync_reads_the_motion_of_the_shot(studio, film):
    preset = replace(QUICK, sync_weight=0.5)
    shots = [Shot(start_s=1.2, end_s=3.4)]
    job = studio.job("v2a", as_video(film), prompt="", preset=preset, shots=shots)
    (part,) = job.shots
    assert part.job.sync is not None
    assert part.job.sync.start_s == pytest.approx(1.2)
    assert part.job.preset.sync_weight == 0.5


def test_joined_shots_overlap_with_equal_power():
    shots = [
        Shot(start_s=0.0, end_s=1.0),
        Shot(start_s=1.0, end_s=2.0),
        Shot(start_s=2.5, end_s=3.0),
    ]
    parts = parts_of(shots)
    half = FADE_S / 2
    assert parts == [(0, 1 + half), (1 - half, 2), (2.5, 3)]
    generator = torch.Generator().manual_seed(0)
    noise = [torch.randn(round((end - start) * RATE), generator=generator) for start, end in parts]
    total = joined(noise, shots, RATE, 4.0)
    assert len(total) == 4 * RATE
    power = total.square()
    cut = slice(round((1 - half) * RATE), round((1 + half) * RATE))
    assert power[cut].mean() == pytest.approx(1.0, rel=0.2)
    assert torch.equal(total[: cut.start], noise[0][: cut.start])
    assert not total[2 * RATE : round(2.5 * RATE)].any()
    assert not total[3 * RATE :].any()


def test_seeds_of_shots_differ_and_the_first_is_that_of_the_run():
    seeds = [seed_of_shot(seed, k) for seed in (0, 1, 2**63 - 1) for k in range(100)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert seeds[0] == 0


def test_a_written_list_is_read_again(tmp_path):
    shots = [
        Shot(start_s=0.0, end_s=1.25, prompt='rain, "heavy"'),
        Shot(start_s=1.25, end_s=62.5, veto="wind"),
    ]
    path = tmp_path / "shots.csv"
    path.write_text(shots_text(shots))
    assert read_shots(path) == shots


def test_times_may_have_minutes_and_a_veto_may_be_a_file(tmp_path):
    path = tmp_path / "shots.csv"
    path.write_text("from,to,veto\n0,1:02.5,speech.wav\n1:02.5,1:00:00,\n")
    first, second = read_shots(path)
    assert (first.start_s, first.end_s, first.veto) == (0, 62.5, tmp_path / "speech.wav")
    assert second.end_s == 3600


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected the columns from, to, prompt, veto"),
        ("from,to,sound\n0,1,\n", "expected the columns"),
        ("from,to,to\n0,1,2\n", "expected the columns"),
        ('from,to,"a\nb"\n', r"got 'from, to, a\nb'; correct"),
        ("from,to\n", "expected at least one shot"),
        ("from,to\n0,abc\n", "line 2: expected seconds or minutes:seconds in the column to"),
        ("from,to\n0,-1\n", "line 2: expected seconds"),
        ("from,to\n0,0.1\n", "line 2: expected a shot of at least 0.25 s"),
        ("from,to\n2,1\n", "line 2: expected a shot of at least 0.25 s"),
        ("from,to\n0,2\n1,3\n", "in ascending order that do not overlap, got 0 to 2 s before 1"),
        ("from,to\n0,9\n", "inside the video of 8.400 s, got one that ends at 9 s"),
        ("from,to\n0,1,2\n", "line 2: expected 2 cells"),
        ("from,to\n0\n", "line 2: expected 2 cells"),
        ("from,to\n" + "0,1\n" * 1001, "expected at most 1000 shots, got more"),
        ('from,to,prompt\n0,1,"' + "a" * 200_000 + '"\n', "expected a CSV file"),
    ],
)
def test_an_unusable_list_is_refused(tmp_path, text, expected):
    path = tmp_path / "shots.csv"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        checked(read_shots(path), sum(LENGTHS) / FPS, str(path))
    assert expected in str(caught.value)
    assert len(str(caught.value)) < 500 + len(str(path))


def test_an_unreadable_list_is_refused(tmp_path):
    (tmp_path / "latin.csv").write_bytes(b"from,to,prompt\n0,1,\xe9\n")
    (tmp_path / "large.csv").write_bytes(b"from,to\n" + b"\n" * 1_000_001)
    for name, expected in (
        ("latin.csv", "in UTF-8"), ("large.csv", "at most 1 MB"), ("none.csv", "cannot be read"),
        ("\0", "cannot be read"), ("x" * 300, "cannot be read"), (".", "cannot be read"),
    ):  # fmt: skip
        with pytest.raises(SettingsError, match=expected):
            read_shots(tmp_path / name)


def test_shots_need_a_video_file_and_no_region(studio, film):
    video = as_video(film)
    with pytest.raises(SettingsError, match='expected a video file for shots="auto"'):
        shots_of(replace(video, path=None), "auto")
    with pytest.raises(SettingsError, match="expected shots only of a whole video"):
        studio.job("v2a", video, preset=QUICK, shots="auto", region=(0.0, 1.0))
    with pytest.raises(SettingsError, match="expected shots only of a whole video"):
        studio.job("joint", prompt="rain", shots="auto")
