"""Conversations from trees of messages with several replies to each (OpenAssistant)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from lm.conversation.conversation import Conversation, Message
from lm.conversation.sources.records import HubDataset, field_of
from lm.conversation.sources.source import LayoutSource, known_roles


@dataclass
class Node:
    """A message in its tree."""

    message: Message
    parent: str | None
    rank: float  # lower is better; infinite if unranked
    deleted: bool
    task: str
    place: str


class MessageTrees(LayoutSource):
    """Records with a message, its id and the id of the message it replies to; a conversation is a path from a root.

    Messages after the last answer of a path are left out. All conversations of a tree are held out together. The
    messages of a tree may stand anywhere, so all records are read before the first conversation.

    Args:
        path: File, pattern such as data/*.jsonl, or a list of them; a hub id or directory with `hub`.
        id_field: Field with the id of a message.
        parent_field: Field with the id of the message it replies to; null in the record for a root.
        role_field: Field that names the speaker.
        content_field: Field that holds what is said.
        rank_field: Field with the rank of a reply among those to one message, 0 for the best; null if unranked.
        deleted_field: Field that is true for a deleted message, which is left out with all replies to it; null for
            none.
        roles: What the file calls the roles, {prompter: user}; system, user, assistant and tool are known.
        paths: all: each path from the root to a last answer, so shared turns are trained on repeatedly. best: one
            path per tree, at each message the reply of lowest rank; unranked replies come last, then file order.
        task_field: Field with the kind of question, by which validation is reported; null for one task.
        hub: Which part of a hub data set to read; null reads files.
    """

    def __init__(
        self,
        path: str | list[str],
        *,
        id_field: str = "message_id",
        parent_field: str = "parent_id",
        role_field: str = "role",
        content_field: str = "text",
        rank_field: str | None = "rank",
        deleted_field: str | None = "deleted",
        roles: dict[str, str] | None = None,
        paths: Literal["all", "best"] = "all",
        task_field: str | None = None,
        hub: HubDataset | None = None,
    ):
        super().__init__(path, task_field=task_field, hub=hub)
        self.id_field, self.parent_field, self.role_field = id_field, parent_field, role_field
        self.content_field, self.rank_field, self.deleted_field = content_field, rank_field, deleted_field
        self.roles = known_roles(roles)
        self.paths = paths

    def options(self) -> dict:
        fields = [self.id_field, self.parent_field, self.role_field, self.content_field]
        more = [self.rank_field, self.deleted_field]
        return {"fields": fields, "more": more, "roles": self.roles, "paths": self.paths}

    def read(self) -> Iterator[Conversation]:
        nodes = self._nodes()
        replies: dict[str | None, list[str]] = {}
        for name, node in nodes.items():
            if node.parent is not None and node.parent not in nodes:
                self.counts["messages were left out because their parent is missing"] += 1
            elif node.deleted:
                self.counts["messages were left out as deleted"] += 1
            else:
                replies.setdefault(node.parent, []).append(name)
        answered = _answered(nodes, replies)
        for root in replies.get(None, []):
            if root not in answered:
                self.counts["trees have no answer"] += 1
                continue
            for path in self._paths(root, nodes, replies, answered):
                messages = tuple(nodes[name].message for name in path)
                yield Conversation(messages, task=nodes[root].task, group=root, place=nodes[path[-1]].place)

    def _nodes(self) -> dict[str, Node]:
        nodes: dict[str, Node] = {}
        for place, record in self.records:
            name, parent = field_of(record, self.id_field, place), field_of(record, self.parent_field, place)
            role = field_of(record, self.role_field, place)
            if role not in self.roles:
                raise ValueError(
                    f"{place}: role {role!r} is unknown: name its role, as +data.conversations.roles.{role}=user"
                )
            if name in nodes:
                raise ValueError(f"{place}: message {name} exists already ({nodes[name].place}): remove one")
            rank = record.get(self.rank_field) if self.rank_field is not None else None
            nodes[name] = Node(
                Message(self.roles[role], field_of(record, self.content_field, place)),
                parent,
                float("inf") if rank is None else rank,
                bool(record.get(self.deleted_field)) if self.deleted_field is not None else False,
                self.task(record, place),
                place,
            )
        return nodes

    def _paths(
        self, root: str, nodes: dict[str, Node], replies: dict[str | None, list[str]], answered: set[str]
    ) -> Iterator[list[str]]:
        """The paths of a tree to its last answers, or the best one."""
        open_paths = [[root]]
        while open_paths:
            path = open_paths.pop()
            further = [name for name in replies.get(path[-1], []) if name in answered]
            if self.paths == "best" and further:
                further = [min(further, key=lambda name: nodes[name].rank)]
            if further:
                open_paths += [[*path, name] for name in reversed(further)]
            else:
                yield path


def _answered(nodes: dict[str, Node], replies: dict[str | None, list[str]]) -> set[str]:
    """The messages that are an answer or have one below them."""
    order = list(replies.get(None, []))
    for name in order:  # which grows while it is read: parents before their replies
        order += replies.get(name, [])
    found: set[str] = set()
    for name in reversed(order):
        if nodes[name].message.role == "assistant" or any(reply in found for reply in replies.get(name, [])):
            found.add(name)
    return found
