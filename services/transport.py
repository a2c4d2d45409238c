"""Requests to one of several nodes over HTTP, with the project's only retries.

Transport errors are tried again a few times and nothing else is; what an answer says is for
``node.py`` to judge. One node is asked until it is out of reach or at odds with the others.
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
from services.well_formed import natural

ODDS_BLOCKS = 2  # nodes this far apart may simply not have heard of the last blocks yet
ATTEMPTS = 5
ATTEMPTS_OF_SEVERAL = 2  # another node may answer at once
HEAD_S = 2.0  # a node that takes longer to tell its latest block has no say in the median
CHAIN_ID, BLOCK, HEAD = map(RPCEndpoint, ("eth_chainId", "eth_getBlockByNumber", "eth_blockNumber"))

log = structlog.get_logger()
stamina.instrumentation.set_on_retry_hooks([])  # they would log the URL, which may be secret


class Transport(HTTPProvider):
    """HTTP to one of several nodes of one chain.

    Args:
        rpc_urls: one, or several with commas between them.
        timeout_s: seconds for an answer.
    """

    def __init__(self, rpc_urls: str, timeout_s: float) -> None:
        self._urls = [url.strip() for url in rpc_urls.split(",")]  # the one in use first
        self._timeout_s = timeout_s
        self._chain: object = None  # id and genesis block, as the first node to answer says
        self._same_chain: set[str] = set()
        self._odd: set[str] = set()
        super().__init__(self._urls[0], exception_retry_configuration=None)

    @property
    def place(self) -> str:
        """The node in use, for messages."""
        return shown_url(self._urls[0])

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """What a node answers, errors of its own included.

        Raises:
            ChainUnreachableError: none answers, or what answers is no node.
            ChainError: the answer is too large.
        """
        if len(self._urls) == 1:
            return self._ask(self._urls[0], method, params, ATTEMPTS, self._timeout_s)
        problems = []
        for url in self._urls:
            try:
                self._require_same_chain(url, self._timeout_s)
                answer = self._ask(url, method, params, ATTEMPTS_OF_SEVERAL, self._timeout_s)
            except ChainUnreachableError as error:
                problems.append(str(error))
                continue
            self._use(url)
            return answer
        raise ChainUnreachableError("; ".join(problems))

    def choose(self) -> None:
        """Use the node with the median latest block, if the one in use is at odds with that.

        So of three nodes one may stand still or make up blocks; of two the higher one is believed.
        """
        if len(self._urls) == 1:
            return
        heads, timeout_s = {}, min(HEAD_S, self._timeout_s)
        for url in self._urls:
            try:
                self._require_same_chain(url, timeout_s)
                head = self._ask(url, HEAD, [], 1, timeout_s)["result"]
                heads[url] = natural(int(str(head), 16), 48)
            except (ChainError, KeyError, ValueError):
                continue  # what is wrong with it shows when it is used
        if not heads:
            return
        median = sorted(heads.values())[len(heads) // 2]
        odd = {url for url, head in heads.items() if abs(head - median) > ODDS_BLOCKS}
        for url in odd - self._odd:
            log.warning("node_at_odds", node=shown_url(url), block=heads[url], median=median)
        self._odd = odd
        if self._urls[0] in odd:
            self._use(next(url for url in self._urls if heads.get(url) == median))

    def _use(self, url: str) -> None:
        if url != self._urls[0]:
            log.warning("node_replaced", before=self.place, now=shown_url(url))
            self._urls = [url, *(other for other in self._urls if other != url)]

    def _require_same_chain(self, url: str, timeout_s: float) -> None:
        """Once per node: does it serve the chain of the first one that answered?"""
        if url in self._same_chain:
            return
        chain_id = self._ask(url, CHAIN_ID, [], 1, timeout_s).get("result")
        genesis: Any = self._ask(url, BLOCK, ["0x0", False], 1, timeout_s).get("result")
        found = (chain_id, genesis.get("hash") if isinstance(genesis, dict) else None)
        self._chain = self._chain or found
        if found != self._chain:
            raise ChainUnreachableError(
                f"{shown_url(url)} serves another chain than the other nodes of FEDSERUM_RPC_URL; "
                "take it out"
            )
        self._same_chain.add(url)

    def _ask(
        self, url: str, method: RPCEndpoint, params: Any, attempts: int, timeout_s: float
    ) -> RPCResponse:
        request = self.encode_rpc_request(method, params)
        place = shown_url(url)

        def may_pass(error: Exception) -> bool:
            if not isinstance(error, NoAnswerError) or not error.may_pass:
                return False
            log.warning("node_did_not_answer", node=place, why=str(error))
            return True

        try:
            for attempt in stamina.retry_context(
                on=may_pass, attempts=attempts, timeout=30, wait_max=2, wait_jitter=0.2
            ):
                with attempt:
                    raw = post(url, request, self.get_request_headers(), timeout_s)
            answer = self.decode_rpc_response(raw)
        except NoAnswerError as error:
            raise ChainUnreachableError(
                f"no chain node answers at {place} ({error}); start one, or set FEDSERUM_RPC_URL"
            ) from error
        except AnswerTooLargeError as error:
            raise ChainError(
                f"the answer of {place} to {method} is too large: {error}; ask for less"
            ) from error
        except (ValueError, RecursionError) as error:
            raise _no_node(place, "its answer is not JSON") from error
        if not isinstance(answer, dict):
            raise _no_node(place, "its answer is no object")
        asked = json.loads(request)["id"]
        if answer.get("id") not in (asked, str(asked), None):  # None: a request it could not read
            raise _no_node(place, f"it answers request {asked} with the answer to another one")
        return answer


def _no_node(place: str, why: str) -> ChainUnreachableError:
    return ChainUnreachableError(
        f"what answers at {place} is no chain node ({why}); set FEDSERUM_RPC_URL"
    )


def shown_url(url: str) -> str:
    """A URL without what may be a password or an access key: user, path and query."""
    parts = urlsplit(url)
    if parts.netloc:
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    rest = url.rpartition("@")[2]
    return rest if "//" in rest else re.split("[/?]", rest)[0]
