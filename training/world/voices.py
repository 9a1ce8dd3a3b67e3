"""How the size of a voice sets the parameters of its sound."""

from training.world.dsp import Voice


def scaled(voice: Voice, small: float, large: float) -> float:
    """A parameter on a log scale: `small` for voice.size 0, `large` for 1."""
    return float(small * (large / small) ** voice.size)
