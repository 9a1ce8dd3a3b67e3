"""Outside judges of generated media: networks that share no training data with the pocket world.

Audio: YAMNet, from `--outside FOLDER` with its .tflite file, `labels.json` and `things.json`, which
maps things of the pocket world to names of AudioSet classes. Images and videos: EfficientNet-Lite2,
from the installed package. An output is right when the likeliest of the things that the judge has
classes for, by the largest probability of its classes, is its own.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from training.world.things import IDS, THINGS

from benchmarks.results import interval
from seehear.errors import SettingsError
from seehear.metrics.features import imagenet, yamnet
from seehear.metrics.features.protocol import EmbedsAudio, EmbedsVideo
from seehear.metrics.intervals import wilson_interval
from seehear.models.captioners.concepts import CONCEPTS

SAMPLE_RATE = 16_000
NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class OutsideJudges:
    """Networks with the positions of every thing's classes in their output; None: not measured."""

    audio: EmbedsAudio | None
    audio_classes: Mapping[str, Sequence[int]]
    video: EmbedsVideo | None
    video_classes: Mapping[str, Sequence[int]]

    def audio_scores(self, waveforms: Tensor, labels: Tensor) -> dict:
        """Scores of mono audio at 16 kHz [n, samples]; `labels` [n] are positions in `IDS`."""
        if self.audio is None:
            return {}
        known = _known(labels, self.audio_classes)
        logits = [self.audio.from_audio(w[None], SAMPLE_RATE).logits for w in waveforms[known]]
        return _scores(torch.cat(logits), labels[known], self.audio_classes)

    def audio_probabilities(self, waveforms: Tensor, things: Sequence[str]) -> Tensor:
        """Probability [n] that audio [n, samples] contains its thing, the largest of its classes.

        Things must have classes.
        """
        assert self.audio is not None
        logits = [self.audio.from_audio(w[None], SAMPLE_RATE).logits[0] for w in waveforms]
        own = [
            found[list(self.audio_classes[thing])].max()
            for found, thing in zip(logits, things, strict=True)
        ]
        return torch.stack(own).sigmoid()

    def video_scores(self, frames: Tensor, labels: Tensor) -> dict:
        """Scores of frames in [0, 1] [n, frames, 3, height, width]; `labels` as for audio."""
        if self.video is None:
            return {}
        known = _known(labels, self.video_classes)
        logits = [self.video.from_video(f[None], 1.0).logits for f in frames[known]]
        return _scores(torch.cat(logits), labels[known], self.video_classes)


def load(folder: Path | None) -> OutsideJudges:
    """The judges that this machine has: YAMNet from a folder, the other if it is installed."""
    path = imagenet.installed()
    nouns = {c.noun.partition(" ")[2]: c.classes for c in CONCEPTS if c.classes}
    names = {thing.id: thing.names[0] for thing in THINGS}
    video_classes = {thing: nouns[name] for thing, name in names.items() if name in nouns}
    video = None if path is None else imagenet.load(path)
    if folder is None:
        return OutsideJudges(None, {}, video, video_classes)
    network = yamnet.load(folder)
    record = json.loads((folder / "things.json").read_text())
    unknown = sorted({n for found in record.values() for n in found} - set(network.labels))
    if unknown:
        raise SettingsError(f"{folder}: expected names of AudioSet classes, got {unknown}")
    place = {name: k for k, name in enumerate(network.labels)}
    audio_classes = {thing: [place[n] for n in found] for thing, found in record.items()}
    return OutsideJudges(network, audio_classes, video, video_classes)


def _known(labels: Tensor, classes: Mapping[str, Sequence[int]]) -> Tensor:
    """Positions of the outputs whose thing has classes."""
    return torch.tensor([k for k, label in enumerate(labels.tolist()) if IDS[label] in classes])


def _scores(logits: Tensor, labels: Tensor, classes: Mapping[str, Sequence[int]]) -> dict:
    """Top-1 and top-5 with their intervals, as parts of a cell."""
    things = list(classes)
    of_thing = torch.stack([logits[:, list(classes[t])].amax(1) for t in things], dim=1)
    own = torch.tensor([things.index(IDS[label]) for label in labels.tolist()])
    ranks = 1 + (of_thing > of_thing.gather(1, own[:, None])).sum(1)
    found: dict[str, object] = {"outside_count": len(ranks), "outside_things": len(things)}
    for top in (1, 5):
        hits = int((ranks <= top).sum())
        found[f"outside_top{top}"] = hits / len(ranks)
        found[f"outside_top{top}_95"] = wilson_interval(hits, len(ranks))
    return found


HEADER = ("outside judge, first", "in the first 5")


def columns(cell: dict) -> Sequence[str]:
    """The two columns of a table."""
    if "outside_top1" not in cell:
        return (NOT_MEASURED, NOT_MEASURED)
    return tuple(
        f"{cell[name]:.2f} {interval(cell[f'{name}_95'])}"
        for name in ("outside_top1", "outside_top5")
    )


def note(real: dict, media: str, network: str) -> str:
    """What the two judges are, with their scores of real media.

    Args:
        real: The cell of the real media, with the accuracy of the pocket judge.
        media: "audio" or "images".
        network: Name of the outside judge and of its training data.
    """
    first, among = columns(real)
    return (
        f"The outside judge is {network}, which was not trained on the pocket world. An output "
        "counts if its class is the likeliest, or among the 5 likeliest, of the "
        f"{real.get('outside_things', 'pocket')} classes that this judge also has. It recognises "
        f"{first} of the real {media}, and {among} in the first 5. The pocket judge was trained on "
        "other scenes of the same synthetic generator as the models, so its accuracy does not show "
        f"how well people recognise the {media}. It recognises {real['accuracy']:.3f} of the real "
        f"{media}. "
    )


def audio_note(real: dict) -> str:
    """`note` for audio."""
    return note(real, "audio", "YAMNet (AudioSet)")


def video_note(real: dict) -> str:
    """`note` for images and videos."""
    return note(real, "images", "EfficientNet-Lite2 (ImageNet)")
