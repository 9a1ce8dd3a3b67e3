"""Check what the README's command made of the sample clip: `python -m examples.check_sample OUT`.

Shows how to read a result back, and how to let the judge, which guidance never sees, name it.
"""

import sys

from seehear.media import peak_dbfs, probe, read_audio
from seehear.metrics.features import judge


def main() -> None:
    """Print what is in the file; exit with 1 if it is not what it should be."""
    path = sys.argv[1]
    found, sound = probe(path), read_audio(path)
    # As it is played. At a lower rate the same sound may peak a little higher between the samples.
    peak = peak_dbfs(read_audio(path, sample_rate=48_000).waveform)
    named = judge.load()
    logits = named.sound_logits(sound.waveform)[0]
    best = [named.classes[k] for k in logits.topk(3).indices.tolist()]
    print(
        f"{path}: {found.duration_s:.2f} s of video, {sound.duration_s:.2f} s of audio, "
        f"peak {peak:.1f} dBFS; the pocket judge's first classes: {', '.join(best)}"
    )
    assert found.has_audio, "the file has no audio"
    assert abs(sound.duration_s - (found.duration_s or 0)) < 0.05, (
        "audio and video differ in length"
    )
    assert -40 < peak <= -1, "silent or too loud"
    assert "rooster" in best, "expected a rooster among the judge's first three names"


if __name__ == "__main__":
    main()
