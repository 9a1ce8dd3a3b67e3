"""YAMNet as a judge of generated audio: it shares neither data nor weights with this project.

`--outside FOLDER` names a folder with YAMNet's .tflite file, `labels.json` and `things.json`, which
maps every thing of the pocket world to names of AudioSet classes. A thing without an entry is left
out. Audio is right when the likeliest thing, by the largest probability of its classes, is its own.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from training.world.things import IDS

from seehear.errors import SettingsError
from seehear.metrics.features import yamnet
from seehear.metrics.intervals import wilson_interval

SAMPLE_RATE = 16_000
NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class OutsideJudge:
    """YAMNet with the AudioSet classes of every thing, as rows of its output."""

    network: yamnet.Yamnet
    classes: dict[str, list[int]]

    def ranks(self, waveforms: Tensor, labels: Tensor) -> Tensor:
        """The rank of the right thing of every waveform, 1 for the likeliest.

        Args:
            waveforms: Mono audio at 16 kHz [n, samples].
            labels: Positions in `IDS` [n]; rows of things without classes are left out.
        """
        names = list(self.classes)
        kept = [k for k, label in enumerate(labels.tolist()) if IDS[label] in self.classes]
        probabilities = torch.cat(
            [self.network.from_audio(w[None], SAMPLE_RATE).embedding for w in waveforms[kept]]
        )
        scores = torch.stack([probabilities[:, self.classes[n]].amax(1) for n in names], dim=1)
        own = torch.tensor([names.index(IDS[labels[k]]) for k in kept])
        right = scores.gather(1, own[:, None])
        return 1 + (scores > right).sum(1)


def load(folder: Path | None) -> OutsideJudge | None:
    """The judge in a folder; None without a folder."""
    if folder is None:
        return None
    network = yamnet.load(folder)
    record = json.loads((folder / "things.json").read_text())
    unknown = sorted({n for names in record.values() for n in names} - set(network.labels))
    if unknown:
        raise SettingsError(f"{folder}: expected names of AudioSet classes, got {unknown}")
    place = {name: k for k, name in enumerate(network.labels)}
    return OutsideJudge(network, {t: [place[n] for n in names] for t, names in record.items()})


def scores(judge: OutsideJudge | None, waveforms: Tensor, labels: Tensor) -> dict:
    """Top-1 and top-5 with their intervals, as parts of a cell; {} without a judge."""
    if judge is None:
        return {}
    ranks = judge.ranks(waveforms, labels)
    found: dict[str, object] = {"outside_count": len(ranks), "outside_things": len(judge.classes)}
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
        f"{cell[name]:.2f} [{cell[f'{name}_95'][0]:.2f}, {cell[f'{name}_95'][1]:.2f}]"
        for name in ("outside_top1", "outside_top5")
    )


def note(cell: dict) -> str:
    """What the two judges are, with their scores of real audio."""
    first, among = columns(cell)
    return (
        "The outside judge is YAMNet, an AudioSet classifier that shares no data with this "
        "project: the share of outputs whose thing is the likeliest of "
        f"{cell.get('outside_things', 'all')} things, or among the 5 likeliest. Of the real audio "
        f"it recognises {first}, and {among} in the first 5. The other judge ships with the "
        "package and learned from the same synthetic world as the models, so its accuracy does "
        "not show how the audio sounds to others. It recognises "
        f"{cell['accuracy']:.3f} of the real audio. "
    )
