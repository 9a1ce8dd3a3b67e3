"""Serve the page until told to stop, then delete all that was given or made."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from seehear.errors import SettingsError
from seehear.pipeline.task import TASKS
from seehear.web.model_pool import ModelPool
from seehear.web.run_thread import Runs
from seehear.web.sessions import Sessions

_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """Where to serve, to whom, and how much one visitor may take."""

    host: str = "127.0.0.1"  # this machine alone
    port: int | None = 7860  # None: any that is free from 7860 on
    auth: tuple[str, str] | None = None  # name and password
    max_upload_mb: int = 100
    max_duration_s: float = 60.0  # of what is given or made
    max_waiting: int = 8  # jobs in the queue

    def __post_init__(self):
        if self.max_upload_mb < 1 or self.max_waiting < 1:
            raise SettingsError("uploads of at least 1 MB and a queue of at least 1 are needed")
        if not self.max_duration_s > 0.1:
            raise SettingsError(f"expected more than 0.1 s, got {self.max_duration_s}")


def examples_here() -> dict[str, Path]:
    """The example of every task: in the package, or in a clone of the repository beside it."""
    for folder in (_PACKAGE / "data" / "examples", _PACKAGE.parents[1] / "examples"):
        found = {n: folder / task.example for n, task in TASKS.items() if task.example}
        found = {task: path for task, path in found.items() if path.is_file()}
        if found:
            return found
    return {}


@contextmanager
def serving(config: ServerConfig, studios: ModelPool) -> Iterator[str]:
    """Serve the page within a `with` block, and give its address.

    Raises:
        SettingsError: The address or port is taken or not of this machine.
    """
    with tempfile.TemporaryDirectory(prefix="seehear-web-", ignore_cleanup_errors=True) as folder:
        # Gradio reads these when it is imported and keeps uploads there.
        os.environ["GRADIO_TEMP_DIR"] = str(Path(folder).resolve())
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
        import gradio as gr
        from starlette.middleware import Middleware

        from seehear.web.access import AccessMiddleware
        from seehear.web.handlers import Handlers
        from seehear.web.page import CSS, page_of

        examples, runs = examples_here(), Runs()
        gr.set_static_paths(sorted({str(path) for path in examples.values()}))
        visitors = Sessions(Path(folder), examples.values())
        answers = Handlers(
            visitors=visitors, studios=studios, runs=runs, examples=examples,
            max_duration_s=config.max_duration_s,
        )  # fmt: skip
        page = page_of(answers, config.max_waiting)
        try:
            _, address, _ = page.launch(
                server_name=config.host,
                server_port=config.port,
                auth=config.auth,
                max_file_size=config.max_upload_mb * 2**20,
                app_kwargs={"middleware": [Middleware(AccessMiddleware, visitors=visitors)]},
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
    """Gradio's default look with the system's fonts: none is fetched."""
    return gr.themes.Default(
        font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
    )
