"""The verb that opens the page in which a browser classifies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..runtime.shipped import SHIPPED
from .options import OneModel

PORT = 8480  # the same each time: browsers remember by address that the microphone is allowed


def web(
    model: OneModel = SHIPPED,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port on this machine; 0: any free one.")] = PORT,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
    export: Annotated[
        Path | None, typer.Option(help="Write the page into this folder, for any static host.", show_default=False)
    ] = None,
) -> None:
    """Classify in the browser: drop a sound or listen, with nothing sent anywhere."""
    from ..web.page import page_files

    files = page_files(model)
    if export is not None:
        from ..web.folder import write_folder

        write_folder(files, export)
        print(export)
        typer.echo(
            f"{len(files)} files, {sum(map(len, files.values())) / 1e6:.1f} MB. Serve it by https: "
            "elsewhere than on this machine browsers give no microphone to http.",
            err=True,
        )
        return
    from ..web.serve import HOST, server

    with server(files, port) as serving:
        address = f"http://{HOST}:{serving.server_address[1]}/"
        print(address, flush=True)
        typer.echo("Ctrl-C ends it.", err=True)
        if open_:
            import webbrowser

            webbrowser.open(address)
        try:
            serving.serve_forever()
        except KeyboardInterrupt:
            typer.echo("", err=True)  # the usual end


VERBS = (web,)
