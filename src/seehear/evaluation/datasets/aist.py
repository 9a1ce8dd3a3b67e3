"""AIST++, cropped to the dancer, in the layout of the copy that joint models use: `<split>/*.mp4`.

A file is called after its recording, such as `gBR_sBM_c01_d04_mBR0_ch01.mp4`; the first part is the
genre, which becomes the label.

Source: Tsuchida et al. 2019 (ISMIR); Li et al. 2021, arXiv:2101.08779.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from seehear.errors import MediaError
from seehear.evaluation.datasets.clip import Clip
from seehear.evaluation.datasets.folder import clips as clips_of_folder

GENRES = {
    "gBR": "break", "gPO": "pop", "gLO": "lock", "gMH": "middle hip-hop", "gLH": "LA hip-hop",
    "gHO": "house", "gWA": "waack", "gKR": "krump", "gJS": "street jazz", "gJB": "ballet jazz",
}  # fmt: skip


def clips(folder: Path, split: str = "train") -> Iterator[Clip]:
    """The clips of a split; a name that tells no genre gives no label.

    Args:
        folder: Holds `train/` and perhaps others.
        split: The name of one of them.

    Raises:
        MediaError: There is no such folder, or no clip in it.
    """
    place = folder / split
    if not place.is_dir():
        raise MediaError(f"{place}: expected the folder {split} of AIST++, there is none")
    for clip in clips_of_folder(place):
        yield replace(clip, label=GENRES.get(clip.id.split("_")[0]))
