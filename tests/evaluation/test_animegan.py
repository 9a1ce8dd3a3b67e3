"""The stylising network against numbers of the published code, and the command that runs it."""

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save_file
from tests.known_weights import filled
from tests.media_files import make_video

from seehear.cli import main
from seehear.errors import WeightsError
from seehear.evaluation import animegan
from seehear.media import read_image, write_image


@pytest.fixture(scope="module")
def generator():
    return filled(animegan.AnimeGenerator())


def test_the_network_has_the_published_keys_and_gives_its_numbers(generator):
    state = generator.state_dict()
    assert len(state) == 77
    assert sum(value.numel() for value in state.values()) == 2_143_552
    assert next(iter(state)) == "block_a.0.1.weight"
    pixels = np.random.RandomState(3).randint(0, 256, (1, 3, 256, 288)).astype(np.float32)
    made = generator(torch.from_numpy(pixels) / 127.5 - 1)[0].double()
    assert made.sum().item() == pytest.approx(76819.8813, rel=1e-4)
    assert made.norm().item() == pytest.approx(252.644003, rel=1e-4)
    assert made[0, 0, 0].item() == pytest.approx(0.77185965, abs=1e-4)
    assert made[-1, -1, -1].item() == pytest.approx(0.05851910, abs=1e-4)
    assert made[1, 128, 100].item() == pytest.approx(0.21573441, abs=1e-4)


@pytest.mark.parametrize(("given", "side"), [(1, 256), (255, 256), (290, 288), (320, 320)])
def test_sides_are_multiples_of_32(given, side, generator):
    picture = torch.full((3, given, 256), 100, dtype=torch.uint8)
    assert animegan.side_of(given) == side
    made = animegan.stylised(generator, picture)
    assert made.shape == (3, side, 256)
    assert made.dtype == torch.uint8


@pytest.mark.long
def test_the_shell_stylises_key_frames_and_names_what_it_cannot(generator, tmp_path, capsys):
    save_file(generator.state_dict(), tmp_path / "paprika.safetensors")
    clips, out = tmp_path / "clips", tmp_path / "out"
    clips.mkdir()
    make_video(clips / "a.mp4")
    write_image(clips / "b.png", torch.zeros(3, 64, 64, dtype=torch.uint8))
    given = ["data", "stylise", str(clips), "--weights", str(tmp_path / "paprika.safetensors")]
    assert main([*given, "-o", str(out)]) == 0
    assert read_image(out / "a.png").pixels.shape[1] % 32 == 0
    picture = torch.zeros(3, 64, 64, dtype=torch.uint8)
    assert torch.equal(read_image(out / "b.png").pixels, animegan.stylised(generator, picture))
    soundfile.write(clips / "c.wav", np.zeros(100), 16_000)
    assert main([*given, "-o", str(out)]) == 2
    assert "expected a video or an image" in " ".join(capsys.readouterr().err.split())


def test_weights_of_others_are_refused(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(WeightsError, match="expected the weights of an AnimeGANv2 generator"):
        animegan.load(tmp_path / "x.safetensors")
