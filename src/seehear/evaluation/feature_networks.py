"""The networks that `seehear eval --features NAME` scores with, and the columns that each adds.

A column's name says whose features it holds: distances by different networks are different
metrics, although the formula is one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from seehear.dsp.mel import SAMPLE_RATE
from seehear.errors import SettingsError, WeightsError
from seehear.metrics.features import clap, i3d, judge, panns, vggish
from seehear.metrics.features.binder import BinderFeatures
from seehear.metrics.features.protocol import HearsSounds, SeesVideos
from seehear.models.binders import imagebind, pocket
from seehear.models.binders.imagebind.audio_input import SAMPLE_RATE as IMAGEBIND_RATE
from seehear.models.cache import path_of
from seehear.models.catalogue import BY_NAME
from seehear.models.shipped import POCKET

Network = HearsSounds | SeesVideos
# What is computed of a network's features: see `seehear.evaluation.metric_cards` for the formulas.
StatisticName = Literal["KL", "same class", "ISc", "FD", "KD", "AV", "VT", "AT"]


@dataclass(frozen=True, kw_only=True)
class FeatureNetwork:
    """A network, what it takes and gives, and which columns are made of it."""

    name: str  # what `--features` takes
    network: str
    features: str  # which layer, and how many numbers
    classes: str = ""  # which logits, where it names what it perceives
    given: str  # sample rate or frame size, and what is done to a clip before
    rows: str = "one per clip"
    columns: Mapping[StatisticName, str]  # by what is computed: the column's name
    load: Callable[[Path], Network] = field(repr=False)
    place: Path | None = None  # of weights that ship
    may_guide: bool = False  # whether it is a binder, which clips may have been made to please
    entry: str = ""  # in the catalogue, of those that don't
    note: str = ""  # what to know of its columns, for the report
    source: str = ""


@dataclass(frozen=True)
class LoadedNetwork:
    """A measure whose weights are in memory."""

    measure: FeatureNetwork
    network: Network
    path: Path | None = None  # of the weights


def load_measure(asked: str) -> LoadedNetwork:
    """A measure by its name, or with weights of one's own: `NAME` or `NAME=PATH`.

    Raises:
        SettingsError: There is no such measure.
        WeightsError: Its weights are not on this machine, or are others.
    """
    name, _, given = asked.partition("=")
    if name not in FEATURES:
        raise SettingsError(f"--features: expected one of {', '.join(FEATURES)}, got {name!r}")
    measure = FEATURES[name]
    found = Path(given) if given else measure.place or path_of(BY_NAME[measure.entry])
    if found is None:
        entry = BY_NAME[measure.entry]
        raise WeightsError(
            f"--features {name} needs {entry.source}, which is not on this machine: `seehear "
            f"models pull {entry.name}` fetches it, --features {name}=PATH names one of your own"
        )
    return LoadedNetwork(measure, measure.load(found), found)


def _imagebind(path: Path) -> BinderFeatures:
    return BinderFeatures(imagebind.load(path), IMAGEBIND_RATE)


def _pocket_binder(folder: Path) -> BinderFeatures:
    return BinderFeatures(pocket.load(folder), SAMPLE_RATE)


def _panns(rate: str, **options: Any) -> FeatureNetwork:
    return FeatureNetwork(
        name=f"panns-{rate}",
        network=f"PANNs CNN14, {rate[:-1]} kHz",
        features="first linear layer after its ReLU, 2048",
        classes="527 of AudioSet; softmax over logits that were trained for a sigmoid",
        given=f"{rate[:-1]} kHz, mean of channels, offset removed, padded to 2 s, never cut",
        columns={name: f"{name} (PANNs {rate})" for name in ("KL", "ISc", "FD")},
        entry=f"panns-{rate}",
        source="arXiv:1912.10211",
        **options,
    )


def _i3d(name: str, fit: i3d.Fit, how: str) -> FeatureNetwork:
    return FeatureNetwork(
        name=name,
        network="I3D, Kinetics-400, RGB",
        features="logits averaged over time, 400",
        given=f"16 frames spread over the clip (9 at least), {how}",
        columns={"FD": f"FVD (I3D, {fit})", "KD": f"KVD (I3D, {fit})"},
        load=partial(i3d.load, fit=fit),
        entry="i3d",
        note="16 frames spread over each clip; compare at one length, frame rate and size of clips",
        source="arXiv:1812.01717",
    )


_ALL = (
    FeatureNetwork(
        name="judge",
        network="pocket judge",
        features="mean and maximum of the last feature maps, 192",
        classes="56 things of the pocket world",
        given="16 kHz mono; or 16 frames spread over the clip, 64 x 64",
        columns={name: name for name in ("KL", "same class", "ISc", "FD", "KD")},
        load=judge.load,
        place=judge.SHIPPED,
        note="features and classes are those of the pocket judge, which no guidance has seen",
    ),
    FeatureNetwork(
        name="judge-patches",
        network="pocket judge",
        features="mean and maximum of the last feature maps, 192",
        given="16 kHz mono in patches of 0.96 s without overlap",
        rows="one per 0.96 s",
        columns={"FD": "FAD (judge)"},
        load=judge.load_in_patches,
        place=judge.SHIPPED,
    ),
    FeatureNetwork(
        name="bind",
        network="pocket binder",
        features="unit embedding, 384",
        given="16 kHz mono; 16 frames spread over the clip",
        columns={"AV": "AV-bind", "VT": "VT-bind", "AT": "AT-bind"},
        load=_pocket_binder,
        place=POCKET,
        may_guide=True,
    ),
    _panns("16k", load=partial(panns.load, sample_rate=16_000)),
    _panns("32k", load=partial(panns.load, sample_rate=32_000)),
    FeatureNetwork(
        name="vggish",
        network="VGGish",
        features="last linear layer before its ReLU, without PCA and quantisation, 128",
        given="16 kHz, mean of channels, offset removed, padded to 2 s, patches of 0.96 s without "
        "overlap",
        rows="one per 0.96 s",
        columns={"FD": "FAD (VGGish)"},
        load=vggish.load,
        entry="vggish",
        source="arXiv:1812.08466",
    ),
    _i3d("i3d", "crop", "short side 224, middle cut out, as MM-Diffusion does"),
    _i3d("i3d-squash", "squash", "squashed to 224 x 224, as LVDM and cd-fvd do"),
    FeatureNetwork(
        name="clap",
        network="LAION CLAP, laion/clap-htsat-unfused",
        features="unit embedding, 512",
        given="48 kHz mono, the first 10 s; shorter clips repeated",
        columns={"FD": "FD (CLAP)", "AT": "CLAP score"},
        load=clap.load,
        entry="clap",
        note="values depend on the checkpoint, which is laion/clap-htsat-unfused unless named",
        source="arXiv:2211.06687",
    ),
    FeatureNetwork(
        name="imagebind",
        network="ImageBind huge",
        features="unit embedding, 1024",
        given="16 kHz mono, 3 parts of 2 s; 16 frames spread over the clip, of them 5 pairs in "
        "3 crops of 224 x 224",
        columns={
            "FD": "FD (ImageBind)",
            "AV": "AV-bind (ImageBind)",
            "VT": "VT-bind (ImageBind)",
            "AT": "AT-bind (ImageBind)",
        },
        load=_imagebind,
        entry="imagebind",
        may_guide=True,
        source="arXiv:2305.05665",
    ),
)
FEATURES: Mapping[str, FeatureNetwork] = {measure.name: measure for measure in _ALL}
