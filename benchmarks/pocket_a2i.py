"""Images for audio with and without guidance: `python -m benchmarks.pocket_a2i --count 256`.

Prompts {none, automatic caption, right, wrong} times {unguided, latents, prompt, both, default} on
held-out scenes of the world; an independent judge classifies the images.
"""

from benchmarks.picture_tasks import run

if __name__ == "__main__":
    run("a2i", "Audio to image on the pocket family")
