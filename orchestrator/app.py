"""The ASGI application: routes, problem documents, and the threads' life."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from eth_account.signers.local import LocalAccount
from fastapi import FastAPI
from pydantic import SecretStr

from orchestrator import problems
from orchestrator.limits import RateLimit, SizeLimit
from orchestrator.process import Orchestrator
from orchestrator.routes import router
from services.errors import SettingsError
from services.settings import OrchestratorSettings


def create_app(
    settings: OrchestratorSettings, account: LocalAccount, on_failure: Callable[[], None]
) -> FastAPI:
    """The application; its threads run from startup to shutdown.

    Args:
        settings: the orchestrator's.
        account: who deploys and keeps.
        on_failure: called from a thread when the orchestrator cannot go on;
            ``app.state.orchestrator.failure`` says why.

    Raises:
        SettingsError: the token file cannot be read or is empty.
    """
    orchestrator = Orchestrator(settings, account)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        orchestrator.start(on_failure)
        yield
        orchestrator.stop()

    app = FastAPI(
        title="Fedserum orchestrator",
        summary="A federation on the chain: where it is, who labelled what, who earned what.",
        version="1",  # of the API: protocol section 10
        lifespan=lifespan,
        redoc_url=None,
    )
    app.state.orchestrator = orchestrator
    app.state.token = read_token(settings)
    app.include_router(router)
    app.add_middleware(
        SizeLimit, most_bytes=settings.max_body_bytes, timeout_s=settings.request_timeout_s
    )
    app.add_middleware(RateLimit, per_minute=settings.requests_per_minute)
    problems.install(app)
    return app


def read_token(settings: OrchestratorSettings) -> SecretStr | None:
    """The operator's bearer token, from the setting or the file; None without either.

    Raises:
        SettingsError: both are set, the file cannot be read, or the token is empty.
    """
    if settings.token is not None and settings.token_file is not None:
        raise SettingsError("expected FEDSERUM_TOKEN or FEDSERUM_TOKEN_FILE, found both; unset one")
    token = settings.token
    if settings.token_file is not None:
        try:
            token = SecretStr(settings.token_file.read_text().strip())
        except OSError as error:
            raise SettingsError(
                f"cannot read the token file {settings.token_file} ({error.strerror}); put a token "
                "there, or unset FEDSERUM_TOKEN_FILE"
            ) from error
    if token is not None and not token.get_secret_value():
        raise SettingsError(
            "the orchestrator's token is empty; expected one that nobody guesses, as "
            "`openssl rand -hex 32` makes"
        )
    return token
