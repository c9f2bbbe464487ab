"""Serve the runs below a directory to a browser until the command is ended."""

import errno
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Le

from lm.dashboard import Dashboard
from lm.progress import Console


def dashboard(root: str = "outputs", host: str = "127.0.0.1", port: Annotated[int, Ge(0), Le(65535)] = 8770) -> None:
    """Serve the list of runs and their live pages; Ctrl-C ends it. Runs are only read, and need not know of it.

    Args:
        root: Directory of the runs; it may be empty and fill later.
        host: Address to listen at. 127.0.0.1 is this machine alone; 0.0.0.0 shows all runs to anyone who can connect.
        port: Port to listen at; 0 takes a free one.

    Raises:
        ValueError: The port is in use, or the address is not one of this machine.
    """
    console = Console("dashboard")
    try:
        server = Dashboard(Path(root), host=host, port=port)
    except OSError as error:
        remedy = "set port=0 for a free one, or end what uses it" if error.errno == errno.EADDRINUSE else "set host"
        raise ValueError(f"host={host} port={port}: {error.strerror}: {remedy}") from None
    console.line(f"{root}/ → {server.url} (Ctrl-C ends it)")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        console.line("ended")
    finally:
        server.server_close()
