"""AIST++ cropped to the dancer, in the layout that joint models use: `<split>/*.mp4`.

Files are named after the recording, such as `gBR_sBM_c01_d04_mBR0_ch01.mp4`. The first part is the
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
    """The clips of a split. The label is None if the name has no known genre.

    Args:
        folder: Contains `train/` and possibly other splits.
        split: Name of a subfolder.

    Raises:
        MediaError: The folder is missing or has no clips.
    """
    split_folder = folder / split
    if not split_folder.is_dir():
        raise MediaError(
            f"{split_folder}: expected the folder {split} of AIST++, got no such folder"
        )
    for clip in clips_of_folder(split_folder):
        yield replace(clip, label=GENRES.get(clip.id.split("_")[0]))
