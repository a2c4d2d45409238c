"""The proxy of the long run loses, delays and repeats as it is told, and notes transactions."""

import json
import time
from collections.abc import Iterator

import httpx
import pytest
from eth_utils.crypto import keccak
from nodes import answer, lying

from soak.proxy import FAIR, Proxy, Weather


class Counted:
    """A node that answers every request with the number of requests so far."""

    def __init__(self) -> None:
        self.asked = 0

    def say(self, request: dict[str, object]) -> bytes:
        """The answer to a request."""
        self.asked += 1
        return answer(request, result=self.asked)


@pytest.fixture
def node() -> Counted:
    """What is behind the proxy."""
    return Counted()


@pytest.fixture
def proxy(node: Counted) -> Iterator[Proxy]:
    """A proxy in front of it."""
    with lying(node.say) as url, Proxy(url) as proxy:
        yield proxy


def ask(proxy: Proxy, method: str = "eth_blockNumber", *params: str) -> int:
    """What a client is told."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return int(httpx.post(proxy.url, json=body, timeout=10).json()["result"])


def test_in_fair_weather_everything_passes(proxy: Proxy) -> None:
    """One request, one answer."""
    assert [ask(proxy), ask(proxy)] == [1, 2]
    assert not proxy.spoiled


@pytest.mark.parametrize(
    ("weather", "asked"), [(Weather(lose_request=1), 0), (Weather(lose_answer=1), 1)]
)
def test_what_is_lost_breaks_the_connection(
    proxy: Proxy, node: Counted, weather: Weather, asked: int
) -> None:
    """Whether the node got the request or not, the client learns nothing; then all is well."""
    proxy.weather = weather
    with pytest.raises(httpx.TransportError):
        ask(proxy)
    assert node.asked == asked
    assert proxy.spoiled.total() == 1
    proxy.weather = FAIR
    assert ask(proxy) == asked + 1


def test_a_doubled_request_reaches_the_node_twice(proxy: Proxy) -> None:
    """The client gets the second answer."""
    proxy.weather = Weather(double=1)
    assert ask(proxy) == 2


def test_a_delayed_answer_comes(proxy: Proxy) -> None:
    """Later than without."""
    proxy.weather = Weather(delay_s=0.5)
    started = time.monotonic()
    assert [ask(proxy) for _ in range(4)] == [1, 2, 3, 4]
    assert 0.1 < time.monotonic() - started < 2.5


def test_a_node_that_is_gone_breaks_the_connection(proxy: Proxy) -> None:
    """As without a proxy."""
    proxy.upstream = "http://127.0.0.1:9"
    with pytest.raises(httpx.TransportError):
        ask(proxy)


def test_transactions_are_noted_by_their_hash(proxy: Proxy) -> None:
    """Each once, however often it is sent; what is no transaction is not."""
    raw = "0x02abcd"
    for _ in range(2):
        ask(proxy, "eth_sendRawTransaction", raw)
    assert proxy.sent == {"0x" + keccak(hexstr=raw).hex()}
    malformed = json.dumps({"method": "eth_sendRawTransaction", "params": [7], "id": 1})
    proxy.answer(malformed.encode())
    assert len(proxy.sent) == 1
