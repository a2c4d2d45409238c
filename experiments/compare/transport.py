"""Messages between Flower's apps within one process, in the bytes that Flower sends, counted.

Flower's own transports (gRPC, and Ray for simulations) move the same objects between processes; all
that a `Strategy`, a `ServerApp` and a `ClientApp` see of one is its `Grid`.
"""

from collections.abc import Iterable
from typing import Any

from flwr.app import Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

SERVER_NODE = 1
FIRST_CLIENT_NODE = 2


class ProcessGrid(Grid):  # type: ignore[misc]  # Flower is not there where types are checked
    """Nodes that answer at once, each with the client app of its partition of the data.

    Attributes:
        down: bytes of each message to a node, in the order sent.
        up: bytes of each reply.
    """

    def __init__(self, client: ClientApp, n_nodes: int) -> None:
        self._client = client
        self._contexts = {
            FIRST_CLIENT_NODE + partition: Context(
                run_id=1,
                node_id=FIRST_CLIENT_NODE + partition,
                node_config={"partition-id": partition, "num-partitions": n_nodes},
                state=RecordDict(),
                run_config={},
            )
            for partition in range(n_nodes)
        }
        self._replies: dict[str, Message] = {}
        self.down: list[int] = []
        self.up: list[int] = []
        self.set_run(Run.create_empty(1))

    def set_run(self, run: Run) -> None:
        """Let messages be of this run."""
        self._run = run
        TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = run.run_id, SERVER_NODE, 1

    @property
    def run(self) -> Run:
        """Which run this is."""
        return self._run

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        """A message to a node, for strategies of older releases."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Iterable[int]:
        """The nodes."""
        return list(self._contexts)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Let every node that is written to answer; what it says can be pulled by these ids."""
        return [self._answer(message) for message in messages]

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Replies to messages, each once."""
        return [self._replies.pop(each) for each in message_ids if each in self._replies]

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        """Push, then pull; every node has answered by then, so nothing times out."""
        return self.pull_messages(self.push_messages(messages))

    def _answer(self, message: Message) -> str:
        message_id: str = message.object_id
        arrived, n_down = carry(message)
        reply = self._client(arrived, self._contexts[message.metadata.dst_node_id])
        self._replies[message_id], n_up = carry(reply)
        self.down.append(n_down)
        self.up.append(n_up)
        return message_id


def carry(message: Message) -> tuple[Message, int]:
    """A message as it arrives, and the bytes of all objects that Flower sends of it."""
    objects: dict[str, Any] = get_all_nested_objects(message)
    contents = {each: found.deflate() for each, found in objects.items()}
    n_bytes = sum(map(len, contents.values()))
    return inflate_object_from_contents(message.object_id, contents), n_bytes
