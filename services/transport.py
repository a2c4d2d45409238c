"""Requests to a node over HTTP, with the project's only retries.

Transport errors are tried again a few times and nothing else is; what an answer says is for
``node.py`` to judge.
"""

import json
import re
from typing import Any
from urllib.parse import urlsplit

import stamina
import stamina.instrumentation
import structlog
from web3 import HTTPProvider
from web3.types import RPCEndpoint, RPCResponse

from services.bounded_http import AnswerTooLargeError, NoAnswerError, post
from services.errors import ChainError, ChainUnreachableError

log = structlog.get_logger()
stamina.instrumentation.set_on_retry_hooks([])  # they would log the URL, which may be secret


class Transport(HTTPProvider):
    """HTTP transport with the project's only retries: bounded, and for transport errors alone."""

    def __init__(self, rpc_url: str, timeout_s: float) -> None:
        self.place = shown_url(rpc_url)
        self._timeout_s = timeout_s
        super().__init__(rpc_url, exception_retry_configuration=None)

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """What the node answers, errors of its own included.

        Raises:
            ChainUnreachableError: nothing answers, or what answers is no node.
            ChainError: the answer is too large.
        """
        request = self.encode_rpc_request(method, params)
        try:
            for attempt in stamina.retry_context(
                on=self._may_pass, attempts=5, timeout=30, wait_max=2, wait_jitter=0.2
            ):
                with attempt:
                    raw = post(
                        str(self.endpoint_uri),
                        request,
                        self.get_request_headers(),
                        self._timeout_s,
                    )
            answer = self.decode_rpc_response(raw)
        except NoAnswerError as error:
            raise ChainUnreachableError(
                f"no chain node answers at {self.place} ({error}); start one, or set "
                "FEDSERUM_RPC_URL"
            ) from error
        except AnswerTooLargeError as error:
            raise ChainError(
                f"the answer of {self.place} to {method} is too large: {error}; ask for less"
            ) from error
        except (ValueError, RecursionError) as error:
            raise self._no_node("its answer is not JSON") from error
        if not isinstance(answer, dict):
            raise self._no_node("its answer is no object")
        asked = json.loads(request)["id"]
        if answer.get("id") not in (asked, str(asked), None):  # None: a request it could not read
            raise self._no_node(f"it answers request {asked} with the answer to another one")
        return answer

    def _may_pass(self, error: Exception) -> bool:
        if not isinstance(error, NoAnswerError) or not error.may_pass:
            return False
        log.warning("node_did_not_answer", node=self.place, why=str(error))
        return True

    def _no_node(self, why: str) -> ChainUnreachableError:
        return ChainUnreachableError(
            f"what answers at {self.place} is no chain node ({why}); set FEDSERUM_RPC_URL"
        )


def shown_url(rpc_url: str) -> str:
    """A node's URL without what may be a password or an access key: user, path and query."""
    parts = urlsplit(rpc_url)
    if parts.netloc:
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    rest = rpc_url.rpartition("@")[2]
    return rest if "//" in rest else re.split("[/?]", rest)[0]
