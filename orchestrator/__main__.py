"""Start the orchestrator: settings from the environment, one port, until SIGTERM or Ctrl-C."""

import errno
import signal
import socket
import sys
from functools import partial

import structlog
import uvicorn

from orchestrator.app import create_app
from orchestrator.connections import Connection
from orchestrator.limits import MOST_HEAD_BYTES
from services import log as logs
from services.chain import load_account
from services.errors import FedserumError, SettingsError
from services.settings import OrchestratorSettings, read_settings

DRAIN_S = 1  # how long open requests may take to end after a signal

log = structlog.get_logger()


def run() -> None:
    """Serve until a signal.

    Raises:
        FedserumError: it cannot start, or cannot go on.
    """
    settings = read_settings(OrchestratorSettings)
    logs.configure(settings.log_level)
    account = load_account(settings.key_file, settings.key_password_file)
    listener = _listen(settings.host, settings.port)

    def stop() -> None:
        server.should_exit = True

    app = create_app(settings, account, on_failure=stop)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=partial(Connection, limits=settings),  # type: ignore[arg-type]
            ws="none",
            log_config=None,
            timeout_graceful_shutdown=DRAIN_S,
            server_header=False,
            h11_max_incomplete_event_size=MOST_HEAD_BYTES,
        )
    )
    # uvicorn ends orderly and then raises the signal again, for whoever had it before.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    host, port = listener.getsockname()[:2]
    log.info("orchestrator_started", url=f"http://{host}:{port}", account=account.address)
    server.run(sockets=[listener])
    if app.state.orchestrator.failure is not None:
        raise app.state.orchestrator.failure
    log.info("orchestrator_stopped")


def main() -> int:
    """Run as a command: the exit code, with the cause on standard error."""
    try:
        run()
    except FedserumError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201  (the command's last word)
        return 1
    return 0


def _listen(host: str, port: int) -> socket.socket:
    """Take the port before anything else happens.

    Raises:
        SettingsError: it is taken, or the address is not this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        cause = "in use" if error.errno == errno.EADDRINUSE else error.strerror
        raise SettingsError(
            f"cannot listen on {host}:{port} ({cause}); stop what uses it, or set FEDSERUM_PORT or "
            "FEDSERUM_HOST"
        ) from error
    return listener


if __name__ == "__main__":
    sys.exit(main())
