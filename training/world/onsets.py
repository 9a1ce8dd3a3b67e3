"""When the events of a recording start, from how its spectrum rises."""

import itertools

import numpy as np

from training.world.dsp import SAMPLE_RATE, Wave

HOP, WINDOW = 160, 400  # samples: 10 ms and 25 ms
BANDS_HZ = (60, 250, 700, 1500, 3000, 5000, 8000)


def onsets_in(x: Wave, min_gap_s: float = 0.1, least_rise_db: float = 9.0) -> tuple[float, ...]:
    """Seconds at which events start in x; never empty.

    An event is where the level of the bands rises by `least_rise_db` on average within 30 ms, to
    within 22 dB of the loudest frame, and by more than 0.1 s around it.
    """
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(x, (WINDOW, WINDOW)), WINDOW)[::HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW), 512)) ** 2
    edges = [round(f * 512 / SAMPLE_RATE) for f in BANDS_HZ]
    bands = np.stack([power[:, a:b].sum(1) for a, b in itertools.pairwise(edges)], 1)
    level = 10 * np.log10(bands + 1e-6 * bands.max() + 1e-12)
    rise = np.zeros(len(level))
    rise[3:] = np.maximum(level[3:] - level[:-3], 0).mean(1)
    total = 10 * np.log10(bands.sum(1) + 1e-12)
    ahead = np.array([total[i : i + 6].max() for i in range(len(total))])
    rise[ahead < total.max() - 22] = 0
    gap = round(min_gap_s * SAMPLE_RATE / HOP)
    found = [
        i for i in np.flatnonzero(rise >= least_rise_db)
        if rise[i] == rise[max(0, i - gap) : i + gap + 1].max()
    ]  # fmt: skip
    if not found:
        found = [int(rise.argmax())]
    # Frame i starts WINDOW before sample i * HOP of x; the rise is seen while it enters the frame.
    times = [max(0.0, ((i - 1) * HOP - WINDOW / 2) / SAMPLE_RATE) for i in found]
    return tuple(float(t) for t in times if t < len(x) / SAMPLE_RATE)
