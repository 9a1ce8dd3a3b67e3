"""Events as HTML. Text from visitors is escaped."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from seehear.web.run_thread import DoneEvent, ErrorEvent, Output, Preview, StepEvent, StoppedEvent

_CHART = (240, 48)  # of the loss, in SVG units


def url_of(path: Path) -> str:
    """The URL of a visitor's file."""
    return f"gradio_api/file={quote(str(path))}"


def status_text(text: str, kind: str = "calm") -> str:
    """One line of status; `kind` is calm, good or bad."""
    role = "alert" if kind == "bad" else "status"
    return f'<p class="run-message {kind}" role="{role}">{escape(text)}</p>'


def status_of(event: StepEvent) -> str:
    """The progress bar, and the loss curve below it."""
    if not event.step:
        return status_text("Loading the models and reading the input ...") + "<progress></progress>"
    text = f"{event.title}: step {event.step} of {event.num_steps}".removeprefix("made: ")
    if event.losses:
        text += f", loss {event.losses[0]:.3f} \u2192 {event.losses[-1]:.3f}"
    bar = f'<progress max="{event.num_steps}" value="{event.step}" aria-label="steps"></progress>'
    return status_text(text.capitalize()) + bar + _chart(event.losses)


def _chart(losses: Sequence[float]) -> str:
    """The loss curve as SVG, scaled from its lowest to its highest value."""
    if len(losses) < 2:
        return ""
    width, height = _CHART
    low, high = min(losses), max(losses)
    points = " ".join(
        f"{k * width / (len(losses) - 1):.1f},"
        f"{2 + (height - 4) * (high - loss) / max(high - low, 1e-9):.1f}"
        for k, loss in enumerate(losses)
    )
    text = f"loss from {losses[0]:.3f} to {losses[-1]:.3f} in {len(losses)} guided steps"
    return (
        f'<svg class="loss" viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img" '
        f'aria-label="{text}"><polyline points="{points}"/></svg>'
    )


def preview_of(preview: Preview) -> str:
    """The preview of a running job."""
    kind = "frames" if preview.is_frames else "spectrogram"
    label = f"audio at step {preview.step}"
    audio = "" if preview.audio is None else _audio(preview.audio, label)
    return (
        f'<figure class="run-preview"><figcaption>So far, at step {preview.step}</figcaption>'
        f'<img src="{url_of(preview.picture)}" alt="{kind} at step {preview.step}">{audio}</figure>'
    )


def outputs_of(event: DoneEvent) -> str:
    """Players, drawings and downloads; two outputs are side by side."""
    cards = "".join(_card(output, len(event.outputs) > 1) for output in event.outputs)
    return f'<div class="cards">{cards}</div>'


def _card(output: Output, has_title: bool) -> str:
    title = f"<h3>{escape(output.title.capitalize())}</h3>" if has_title else ""
    drawing = ""
    if output.drawing is not None:
        drawing = (
            f'<img src="{url_of(output.drawing)}" alt="waveform of the audio over the '
            'motion of the video">'
        )
    files = dict.fromkeys(p for p in (output.media, output.audio, output.manifest) if p)
    links = " ".join(
        f'<a href="{url_of(path)}" download="{escape(path.name)}">'
        f"Download {path.suffix.removeprefix('.')}</a>"
        for path in files
    )
    return (
        f'<section class="card" aria-label="{escape(output.title)}">{title}{player(output.media)}'
        f'{drawing}<p class="run-message calm">{escape(output.summary)}</p>'
        f'<p class="files">{links}</p>'
        "</section>"
    )


def player(path: Path) -> str:
    """A player for audio or video, or an image element."""
    suffix = path.suffix.lower()
    if suffix in (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac"):
        return _audio(path, "audio")
    if suffix in (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".avif"):
        return f'<img class="still" src="{url_of(path)}" alt="image">'
    return (
        f'<video controls playsinline preload="metadata" src="{url_of(path)}" '
        f'aria-label="video"></video>'
    )


def _audio(path: Path, label: str) -> str:
    return f'<audio controls preload="metadata" src="{url_of(path)}" aria-label="{label}"></audio>'


def end_of(event: DoneEvent | ErrorEvent | StoppedEvent) -> str:
    """The status after a run has ended."""
    if isinstance(event, ErrorEvent):
        return status_text(event.sentence[:1].upper() + event.sentence[1:], "bad")
    if isinstance(event, StoppedEvent):
        return status_text(f"Stopped at step {event.step}." if event.step else "Stopped.")
    return status_text("Done.", "good") + "".join(status_text(line) for line in event.verdict)
