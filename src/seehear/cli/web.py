"""`seehear web`: the web interface."""

from typing import Annotated

import typer

from seehear.cli.options import BackboneOption, Device, Threads


def web(
    host: Annotated[
        str,
        typer.Option(
            "--host",
            help="Address of the server; 0.0.0.0 accepts connections from other machines.",
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=1, max=65535, help="Port of the server.")
    ] = 7860,
    auth: Annotated[
        str | None,
        typer.Option(
            "--auth",
            metavar="USER:PASSWORD",
            show_default=False,
            envvar="SEEHEAR_WEB_AUTH",
            help="Ask visitors for a user name and a password. Set SEEHEAR_WEB_AUTH instead to "
            "keep the password out of process lists.",
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            metavar="NAME",
            show_default=False,
            help="Another host name under which the server is reached, such as the host name of a "
            "proxy; * allows all. Repeat the option for several.",
        ),
    ] = None,
    max_upload_mb: Annotated[
        int, typer.Option("--max-upload-mb", min=1, help="Refuse larger files.")
    ] = 100,
    max_visitor_mb: Annotated[
        int | None,
        typer.Option(
            "--max-visitor-mb",
            min=1,
            show_default="5 x --max-upload-mb",
            help="Maximum size of a visitor's uploads and outputs.",
        ),
    ] = None,
    max_total_mb: Annotated[
        int | None,
        typer.Option(
            "--max-total-mb",
            min=1,
            show_default="10 x --max-visitor-mb",
            help="Maximum size of all visitors' uploads and outputs.",
        ),
    ] = None,
    max_duration: Annotated[
        float,
        typer.Option(
            "--max-duration",
            min=0.2,
            metavar="SECONDS",
            help="Refuse longer inputs and outputs.",
        ),
    ] = 60.0,
    max_waiting: Annotated[
        int,
        typer.Option(
            "--max-waiting", min=1, help="Maximum number of queued jobs; one runs at a time."
        ),
    ] = 8,
    backbone: BackboneOption = None,
    device: Device = "cpu",
    threads: Threads = None,
) -> None:
    r"""Start the web interface.

    It accepts connections from this machine only, unless --host is set. It sends no data to other
    services. Outputs are deleted when the browser tab that created them is closed. Uploads are
    deleted when the visitor's last browser tab is closed. Needs `pip install "seehear\[web]"`.
    Ctrl-C stops the server.

    For example:

        seehear web

        seehear web --host 0.0.0.0 --port 8080 --auth me:secret
    """  # fmt: skip
    import signal
    import threading

    from seehear.errors import SettingsError

    name_and_password = None
    if auth is not None:
        name, colon, password = auth.partition(":")
        if not (name and colon and password):
            raise SettingsError("--auth: expected USER:PASSWORD, got an empty user or password")
        name_and_password = (name, password)
    server = _server()

    from seehear.cli.console import err, out
    from seehear.cli.load_models import check_device
    from seehear.web.model_pool import ModelPool, families_here

    check_device(device)
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    config = server.ServerConfig(
        host=host,
        port=port,
        auth=name_and_password,
        other_hosts=tuple(allow_host or ()),
        max_upload_mb=max_upload_mb,
        max_visitor_mb=max_visitor_mb,
        max_total_mb=max_total_mb,
        max_duration_s=max_duration,
        max_waiting=max_waiting,
    )
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: stopped.set())
    with server.serving(config, ModelPool(families_here(), device, backbone)) as address:
        if host not in ("127.0.0.1", "localhost", "::1") and name_and_password is None:
            err.print(
                f"seehear: warning: {host} accepts connections from other machines without a "
                "password; add --auth"
            )
        out.print(f"seehear is at {address} (Ctrl-C stops it)")
        stopped.wait()


def _server():
    """The server module, which needs libraries of an extra.

    Raises:
        SettingsError: Gradio is not installed.
    """
    import importlib.util

    from seehear.errors import SettingsError

    if importlib.util.find_spec("gradio") is None:
        raise SettingsError(
            'seehear web needs gradio, which is not installed: pip install "seehear[web]"'
        )
    from seehear.web import server

    return server
