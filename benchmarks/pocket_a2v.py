"""Videos for audio with and without guidance: `python -m benchmarks.pocket_a2v --count 256`.

Prompts {none, automatic caption, right, wrong} times {unguided, latents, prompt, both, default} on
held-out scenes of the world; an independent judge classifies the frames and
measures the similarity of neighbouring frames.
"""

from benchmarks.picture_tasks import run

if __name__ == "__main__":
    run("a2v", "Audio to video on the pocket family")
