"""The building blocks of the world's synthetic sounds: oscillators, noise, filters, envelopes.

Waveforms are one-dimensional float64 arrays at 16 kHz until `finish` turns them into a `Sound`.
Frequencies are in Hz, and may be a number or one value per sample where the name is `f0`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.signal import lfilter, sosfilt

SAMPLE_RATE = 16_000
NYQUIST = SAMPLE_RATE / 2
HELD_OUT_BAND = (0.65, 0.8)  # quantiles of every key parameter that training never hears

Wave = np.ndarray  # float64, [n]


@dataclass(frozen=True, kw_only=True)
class Voice:
    """How big and how fast one thing is in one scene, each in [0, 1]."""

    size: float  # 0 small and high .. 1 large and low
    speed: float  # 0 slow .. 1 fast: how often events come


@dataclass(frozen=True)
class Sound:
    """A mono waveform at 16 kHz, peak at most 1, and when its events start."""

    waveform: np.ndarray  # float32, [n]
    onsets_s: tuple[float, ...]  # in [0, duration)


class Draw:
    """Random parameters, with a band of the parameter space kept for testing.

    Key parameters (`key`) decide the timbre. Their quantile lies outside [0.65, 0.8] for training
    and inside it for testing, so a test sound is never one that training has heard.
    """

    def __init__(self, rng: np.random.Generator, held_out: bool):
        self.rng = rng
        self.held_out = held_out

    def uniform(self, lo: float, hi: float) -> float:
        return float(self.rng.uniform(lo, hi))

    def log_uniform(self, lo: float, hi: float) -> float:
        return float(np.exp(self.rng.uniform(np.log(lo), np.log(hi))))

    def key(self, lo: float, hi: float) -> float:
        """A key timbre parameter between lo and hi; linear in its quantile."""
        band_lo, band_hi = HELD_OUT_BAND
        u = self.rng.random()
        if self.held_out:
            q = band_lo + (band_hi - band_lo) * u
        else:
            q = u * (1 - (band_hi - band_lo))
            q = q if q < band_lo else q + (band_hi - band_lo)
        return float(lo + (hi - lo) * q)

    def choice(self, seq: Sequence):
        return seq[int(self.rng.integers(len(seq)))]

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)


Synth = Callable[[Draw, Voice, int], Sound]  # (draw, voice, num_samples)


# Time


def samples(duration_s: float) -> int:
    """Seconds to a whole number of samples, at least 8."""
    return max(8, round(duration_s * SAMPLE_RATE))


def event_times(
    draw: Draw,
    voice: Voice,
    duration_s: float,
    rate_lo: float,
    rate_hi: float,
    *,
    jitter: float = 0.15,
    max_events: int = 200,
) -> np.ndarray:
    """When events start: a roughly regular train, faster with `voice.speed`.

    Args:
        draw: Source of randomness.
        voice: Its speed moves the rate from rate_lo to rate_hi, on a log scale.
        duration_s: Length of the clip.
        rate_lo: Events per second at speed 0.
        rate_hi: Events per second at speed 1.
        jitter: Standard deviation of a gap over the mean gap.
        max_events: At most this many times come back.

    Returns:
        Increasing times in seconds, the first within the first 40 % of the clip, the last early
        enough that something of the event is heard.
    """
    rate = rate_lo * (rate_hi / rate_lo) ** voice.speed
    count = min(max_events, int(duration_s * rate) + 2)
    gaps = np.maximum(1 + jitter * draw.rng.standard_normal(count), 0.3) / rate
    start = draw.uniform(0.0, min(0.6 / rate, 0.4 * duration_s))
    times = start + np.concatenate([[0.0], np.cumsum(gaps)[:-1]])
    last = max(duration_s - min(0.12, 0.3 * duration_s), start + 1e-6)
    return times[times <= last]


def place(clip: Wave, event: Wave, time_s: float, gain: float = 1.0) -> None:
    """Add an event to the clip in place, cut at the clip's end."""
    start = round(time_s * SAMPLE_RATE)
    if 0 <= start < len(clip):
        end = min(len(clip), start + len(event))
        clip[start:end] += gain * event[: end - start]


def scatter(n: int, grains: Sequence[Wave], starts: np.ndarray, gains: np.ndarray) -> Wave:
    """Many short grains at sample positions.

    Args:
        n: Length of the result.
        grains: A few distinct short waveforms, assigned to the starts in turn.
        starts: Sample positions, integers; those outside [0, n) are left out.
        gains: One gain per start.
    """
    longest = max(len(grain) for grain in grains)
    clip = np.zeros(n + longest)
    for k, grain in enumerate(grains):
        at, gain = starts[k :: len(grains)], gains[k :: len(grains)]
        inside = (at >= 0) & (at < n)
        at, gain = at[inside], gain[inside]
        if len(at) * len(grain) < n:  # few and short: add them one by one
            where = (at[:, None] + np.arange(len(grain))).ravel()
            clip += np.bincount(where, (gain[:, None] * grain).ravel(), len(clip))
        else:
            impulses = np.bincount(at, gain, n)
            clip[:n] += convolve(impulses, grain)[:n]
    return clip[:n]


# Envelopes and contours


def curve(values: Sequence[float], n: int, at: Sequence[float] | None = None) -> Wave:
    """A smooth curve through values at fractions `at` of its length (evenly spread if None)."""
    y = np.asarray(values, dtype=float)
    last = len(y) - 1
    if at is None:
        knot = np.linspace(0, last, n)
    else:
        knot = np.interp(np.linspace(0, 1, n), at, np.arange(last + 1))
    k = np.minimum(knot.astype(int), last - 1)
    u = knot - k
    u = u * u * (3 - 2 * u)  # eased, so the slope has no corners
    return y[k] + np.diff(y)[k] * u


def pitch_curve(values: Sequence[float], n: int, at: Sequence[float] | None = None) -> Wave:
    """`curve` on a log scale, for frequencies."""
    return np.exp(curve(np.log(values), n, at))


def adsr(
    n: int, attack_s: float, decay_s: float = 0.0, sustain: float = 1.0, release_s: float = 0.02
) -> Wave:
    """Attack, decay, sustain, release within n samples; stages shrink if n is too short."""
    total = n / SAMPLE_RATE
    scale = min(1.0, total / max(attack_s + decay_s + release_s, 1e-9))
    a, d, r = attack_s * scale, decay_s * scale, release_s * scale
    t = np.arange(n) / SAMPLE_RATE
    return np.interp(t, [0, a, a + d, max(total - r, a + d), total], [0, 1, sustain, sustain, 0])


def percussive(n: int, attack_s: float, decay_s: float) -> Wave:
    """A fast rise, then an exponential fall by 60 dB in decay_s."""
    t = np.arange(n) / SAMPLE_RATE
    rise = np.minimum(t / max(attack_s, 1e-4), 1.0)
    fade_out = np.minimum((n - np.arange(n)) / 32, 1.0)  # no click if n cuts the tail
    return rise * np.exp(-6.91 * np.maximum(t - attack_s, 0) / decay_s) * fade_out


def wander(rng: np.random.Generator, n: int, rate: float) -> Wave:
    """Slow smooth random motion with about unit spread, changing `rate` times a second."""
    knots = max(3, int(n / SAMPLE_RATE * rate) + 3)
    return curve(rng.standard_normal(knots), n)


def vibrato(rng: np.random.Generator, n: int, rate: float, depth: float, jitter: float) -> Wave:
    """A factor around 1 for a pitch track: a sine of relative `depth` plus random `jitter`."""
    t = np.arange(n) / SAMPLE_RATE
    return (
        1
        + depth * np.sin(2 * np.pi * rate * t + rng.uniform(0, 6.28))
        + (jitter * wander(rng, n, 40.0))
    )


# Oscillators


def phase(f0: float | Wave, n: int, start: float = 0.0) -> Wave:
    """Cycles elapsed at every sample of a tone of frequency f0."""
    if np.ndim(f0) == 0:
        return start + np.arange(n) * (float(f0) / SAMPLE_RATE)
    return start + np.cumsum(f0) / SAMPLE_RATE


def sine(f0: float | Wave, n: int, start: float = 0.0) -> Wave:
    return np.sin(2 * np.pi * phase(f0, n, start))


def saw(f0: float | Wave, n: int) -> Wave:
    """A saw-tooth with its corners rounded against aliasing: -6 dB per octave.

    This is also the spectrum of a voice's flow derivative, so it is the source of all voices.
    """
    step = np.broadcast_to(np.asarray(f0, dtype=float) / SAMPLE_RATE, (n,))
    p = phase(f0, n) % 1.0
    y = 2 * p - 1
    near_start, near_end = p < step, p > 1 - step
    u = p[near_start] / step[near_start]
    y[near_start] -= 2 * u - u * u - 1
    u = (p[near_end] - 1) / step[near_end]
    y[near_end] -= u * u + 2 * u + 1
    return y


def pulse(f0: float | Wave, n: int, sharpness: float = 8.0) -> Wave:
    """Narrow pulses, one per cycle; higher sharpness is brighter. Zero mean."""
    y = np.exp(sharpness * (np.cos(2 * np.pi * phase(f0, n)) - 1))
    return y - y.mean()


def harmonics(f0: float | Wave, amplitudes: Sequence[float], n: int) -> Wave:
    """A sum of exact harmonics; those above 7.6 kHz are silent."""
    p = 2 * np.pi * phase(f0, n)
    f0 = np.broadcast_to(np.asarray(f0, dtype=float), (n,))
    lowest, highest = float(f0.min()), float(f0.max())
    y = np.zeros(n)
    # sin(kp) = 2 cos(p) sin((k-1)p) - sin((k-2)p): two products instead of a sine per harmonic
    double_cos, before, tone = 2 * np.cos(p), np.zeros(n), np.sin(p)
    for k, amplitude in enumerate(amplitudes, start=1):
        if k * lowest > 7600:
            break
        if amplitude != 0:
            y += amplitude * (tone if k * highest <= 7600 else tone * (k * f0 <= 7600))
        before, tone = tone, double_cos * tone - before
    return y


def fm_tone(f0: float | Wave, n: int, *, ratio: float, index: float | Wave) -> Wave:
    """Frequency modulation: a carrier at f0, a modulator at ratio * f0, side bands by index."""
    p = 2 * np.pi * phase(f0, n)
    return np.sin(p + index * np.sin(ratio * p))


def modal(
    n: int,
    freqs: Sequence[float],
    decays_s: Sequence[float],
    gains: Sequence[float],
    rng: np.random.Generator | None = None,
) -> Wave:
    """A struck object: a sum of sines, each falling by 60 dB in its own decay time."""
    t = np.arange(n) / SAMPLE_RATE
    y = np.zeros(n)
    for freq, decay, gain in zip(freqs, decays_s, gains, strict=True):
        if freq < NYQUIST:
            live = min(n, samples(1.2 * decay))
            start = 0.0 if rng is None else rng.uniform(0, 2 * np.pi)
            arg = 2 * np.pi * freq * t[:live] + start
            y[:live] += gain * np.exp(-6.91 * t[:live] / decay) * np.sin(arg)
    return y


# Noise


def noise(rng: np.random.Generator, n: int) -> Wave:
    return rng.standard_normal(n)


@lru_cache(maxsize=64)
def _log_frequencies(size: int) -> np.ndarray:
    """log(f + 1) of the bins of a real FFT."""
    return np.log(np.fft.rfftfreq(size, 1 / SAMPLE_RATE) + 1.0)


def shaped_noise(
    rng: np.random.Generator, n: int, freqs: Sequence[float], levels_db: Sequence[float]
) -> Wave:
    """Noise whose spectrum passes through levels_db at freqs (log-frequency), at unit rms."""
    size = next_fast_len(n, real=True)
    log_f = _log_frequencies(size)
    level = np.interp(log_f, np.log(np.asarray(freqs, dtype=float) + 1.0), levels_db)
    spectrum = rng.standard_normal((2, len(log_f)))
    y = irfft((spectrum[0] + 1j * spectrum[1]) * 10 ** (level / 20), size)[:n]
    return y / (np.sqrt(np.mean(y**2)) + 1e-12)


def band_noise(rng: np.random.Generator, n: int, lo: float, hi: float) -> Wave:
    """Noise between lo and hi with soft edges (about 40 dB down an octave outside), unit rms."""
    hi = min(hi, 7900.0)
    return shaped_noise(
        rng, n, [lo / 4, lo / 2, lo, hi, 2 * hi, 4 * hi], [-80, -40, 0, 0, -40, -80]
    )


def coloured_noise(rng: np.random.Generator, n: int, db_per_octave: float) -> Wave:
    """Noise with a straight spectrum: 0 white, -3 pink, -6 brown; from 30 Hz up, unit rms."""
    octaves = np.log2(8000 / 30)
    return shaped_noise(rng, n, [5, 30, 8000], [-20, 0, db_per_octave * octaves])


# Filters


def convolve(x: Wave, kernel: Wave) -> Wave:
    """Full linear convolution by FFT."""
    n = len(x) + len(kernel) - 1
    size = next_fast_len(n, real=True)
    return irfft(rfft(x, size) * rfft(kernel, size), size)[:n]


def _biquad(kind: str, freq: float, q: float) -> list[float]:
    # Source: R. Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients".
    w = 2 * np.pi * min(max(freq, 5.0), 0.49 * SAMPLE_RATE) / SAMPLE_RATE
    cos, alpha = float(np.cos(w)), float(np.sin(w)) / (2 * q)
    b = {
        "low": [(1 - cos) / 2, 1 - cos, (1 - cos) / 2],
        "high": [(1 + cos) / 2, -(1 + cos), (1 + cos) / 2],
        "band": [alpha, 0.0, -alpha],
    }[kind]
    a = [1 + alpha, -2 * cos, 1 - alpha]
    return [v / a[0] for v in (*b, *a)]


def lowpass(x: Wave, freq: float, q: float = 0.707, order: int = 2) -> Wave:
    return sosfilt(np.array([_biquad("low", freq, q)] * (order // 2)), x)


def highpass(x: Wave, freq: float, q: float = 0.707, order: int = 2) -> Wave:
    return sosfilt(np.array([_biquad("high", freq, q)] * (order // 2)), x)


def bandpass(x: Wave, freq: float, q: float, order: int = 2) -> Wave:
    """Unit gain at freq, bandwidth freq / q."""
    section = _biquad("band", freq, q)
    for _ in range(order // 2):
        x = lfilter(section[:3], section[3:], x)  # much less overhead than sosfilt
    return x


def tilt(x: Wave, freq: float) -> Wave:
    """One-pole low-pass: 6 dB per octave less above freq."""
    a = float(np.exp(-2 * np.pi * freq / SAMPLE_RATE))
    return lfilter([1 - a], [1, -a], x)


def formants(
    x: Wave, freqs: Sequence[float], bandwidths: Sequence[float], gains: Sequence[float]
) -> Wave:
    """Resonances side by side, each with unit gain at its peak times `gains`."""
    y = np.zeros(len(x))
    for k, (freq, width, gain) in enumerate(zip(freqs, bandwidths, gains, strict=True)):
        if freq < 0.48 * SAMPLE_RATE:
            sign = -1.0 if k % 2 else 1.0  # alternating signs keep zeros out of the valleys
            y += sign * gain * bandpass(x, freq, freq / width)
    return y


def moving_formants(
    x: Wave,
    shapes: Sequence[tuple[Sequence[float], Sequence[float], Sequence[float]]],
    position: Wave,
) -> Wave:
    """Formants that move: cross-fades between filtered copies of x.

    Args:
        x: The source.
        shapes: Two or more (freqs, bandwidths, gains), as for `formants`.
        position: Which shape is heard, one value per sample in [0, len(shapes) - 1].
    """
    y = np.zeros(len(x))
    for k, shape in enumerate(shapes):
        y += np.clip(1 - np.abs(position - k), 0, 1) * formants(x, *shape)
    return y


# The whole clip


def reverb(x: Wave, rng: np.random.Generator, decay_s: float, mix: float) -> Wave:
    """A room: exponentially falling noise, -60 dB after decay_s, at `mix` times the dry level."""
    n = samples(decay_s)
    tail = rng.standard_normal(n) * np.exp(-6.91 * np.arange(n) / n)
    tail = tilt(tail, 3500.0)
    tail[: samples(0.004)] = 0
    tail /= np.sqrt(np.sum(tail**2)) + 1e-12
    return x + mix * convolve(x, tail)[: len(x)]


def soft_clip(x: Wave, drive: float) -> Wave:
    """Saturation: tanh(drive * x) / tanh(drive)."""
    return np.tanh(drive * x) / np.tanh(drive)


def normalise(x: Wave, peak: float = 1.0) -> Wave:
    """Scaled so that the largest sample is `peak`; silence stays silence."""
    return x * (peak / max(float(np.max(np.abs(x), initial=0.0)), 1e-9))


def finish(
    clip: Wave,
    onsets_s: Sequence[float] | np.ndarray,
    draw: Draw,
    *,
    room: bool = True,
    noise_db: tuple[float, float] = (-75.0, -45.0),
) -> Sound:
    """A clip as a `Sound`: an optional room, a faint noise floor, no rumble, peak 0.9."""
    n = len(clip)
    if room and draw.chance(0.6):
        clip = reverb(clip, draw.rng, draw.log_uniform(0.1, 0.9), draw.log_uniform(0.05, 0.4))
    clip = normalise(highpass(clip, 30.0), 0.9)
    floor = coloured_noise(draw.rng, n, draw.uniform(-6, 0))
    clip = normalise(clip + 10 ** (draw.uniform(*noise_db) / 20) * floor, 0.9)
    inside = tuple(float(t) for t in onsets_s if 0 <= t < n / SAMPLE_RATE)
    return Sound(waveform=clip.astype(np.float32), onsets_s=inside)
