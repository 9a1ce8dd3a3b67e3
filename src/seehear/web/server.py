"""Serve the page, and delete all uploads and outputs at the end."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from seehear.errors import SettingsError
from seehear.media.isolated import Limits, begin_importing
from seehear.pipeline.task import TASKS
from seehear.web.hosts import Hosts
from seehear.web.model_pool import ModelPool
from seehear.web.run_thread import Runs
from seehear.web.sessions import Sessions
from seehear.web.temporary import temporary_folder
from seehear.web.uploads import Uploads

# Limits of a process that reads a visitor's file. A hang blocks the queue until the deadline.
DECODE_S, DECODE_S_PER_S = 30.0, 2.0  # a fixed part, and a part for each second of --max-duration
DECODE_BYTES = 2 * 2**30
_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """Address, access and limits of the server."""

    host: str = "127.0.0.1"  # this machine only
    port: int | None = 7860  # None: the first free port from 7860 on
    auth: tuple[str, str] | None = None  # name and password
    other_hosts: tuple[str, ...] = ()  # names beside `host` by which visitors address the server
    max_upload_mb: int = 100  # of a file
    max_visitor_mb: int | None = None  # of a visitor's uploads and outputs; None: 5 max_upload_mb
    max_total_mb: int | None = None  # of all visitors; None: 10 max_visitor_mb
    max_duration_s: float = 60.0  # of inputs and outputs
    max_waiting: int = 8  # queued jobs

    def __post_init__(self):
        if self.max_upload_mb < 1 or self.max_waiting < 1:
            raise SettingsError("expected max_upload_mb and max_waiting of at least 1")
        if not self.max_upload_mb <= self.visitor_mb <= self.total_mb:
            raise SettingsError(
                "expected --max-upload-mb at most --max-visitor-mb at most --max-total-mb, got "
                f"{self.max_upload_mb}, {self.visitor_mb} and {self.total_mb}"
            )
        if not self.max_duration_s > 0.1:
            raise SettingsError(f"expected max_duration_s above 0.1, got {self.max_duration_s}")

    @property
    def visitor_mb(self) -> int:
        """Maximum size of a visitor's uploads and outputs in MB."""
        return 5 * self.max_upload_mb if self.max_visitor_mb is None else self.max_visitor_mb

    @property
    def total_mb(self) -> int:
        """Maximum size of all visitors' uploads and outputs in MB."""
        return 10 * self.visitor_mb if self.max_total_mb is None else self.max_total_mb


def examples_here() -> dict[str, Path]:
    """The example file of each task, from the package or a clone of the repository."""
    for folder in (_PACKAGE / "data" / "examples", _PACKAGE.parents[1] / "examples"):
        examples = {n: folder / task.example for n, task in TASKS.items() if task.example}
        examples = {task: path for task, path in examples.items() if path.is_file()}
        if examples:
            return examples
    return {}


@contextmanager
def serving(config: ServerConfig, studios: ModelPool) -> Iterator[str]:
    """Serve the page within a `with` block; yields its address.

    Raises:
        SettingsError: The address or port is in use or not on this machine.
    """
    begin_importing()  # of the decoders, while Gradio is imported
    with temporary_folder() as folder:
        # Gradio reads these when it is imported, and writes uploads to this folder.
        os.environ["GRADIO_TEMP_DIR"] = str(folder)
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
        import gradio as gr
        from starlette.middleware import Middleware

        from seehear.web.access import AccessMiddleware, Rules
        from seehear.web.calls import Calls
        from seehear.web.handlers import Handlers
        from seehear.web.page import CSS, page_of

        examples, runs = examples_here(), Runs()
        gr.set_static_paths(sorted({str(path) for path in examples.values()}))
        visitors = Sessions(folder, examples.values(), config.visitor_mb * 2**20)
        handlers = Handlers(
            visitors=visitors, studios=studios, runs=runs, examples=examples,
            max_duration_s=config.max_duration_s,
            decoding=Limits(
                seconds=DECODE_S + DECODE_S_PER_S * config.max_duration_s, max_bytes=DECODE_BYTES
            ),
        )  # fmt: skip
        page = page_of(handlers, config.max_waiting)
        rules = Rules(
            visitors=visitors,
            uploads=Uploads(visitors, config.visitor_mb * 2**20, config.total_mb * 2**20),
            calls=Calls(page),
            hosts=Hosts(config.host, config.other_hosts),
        )
        try:
            _, address, _ = page.launch(
                server_name=config.host,
                server_port=config.port,
                auth=config.auth,
                max_file_size=config.max_upload_mb * 2**20,
                app_kwargs={"middleware": [Middleware(AccessMiddleware, rules=rules)]},
                theme=_theme(gr),
                css=CSS,
                share=False,
                quiet=True,
                prevent_thread_lock=True,
                footer_links=[],
                run_history=False,
                enable_monitoring=False,
                ssr_mode=False,
                mcp_server=False,
                pwa=False,
                num_workers=0,
                show_error=True,
            )
        except (OSError, RuntimeError) as error:
            raise SettingsError(
                f"cannot serve at {config.host}, port {config.port}: {error}; choose another "
                "--host or --port"
            ) from error
        try:
            yield address
        finally:
            runs.close()
            page.close(verbose=False)
            visitors.close()


def _theme(gr):
    """Gradio's default theme with system fonts, so that none is downloaded."""
    return gr.themes.Default(
        font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
    )
