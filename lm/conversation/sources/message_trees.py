"""Conversations from trees of messages, in which people wrote several replies to each, as OpenAssistant has them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from lm.conversation.conversation import ROLES, Conversation, Message
from lm.conversation.sources.conversation_reader import ConversationFiles
from lm.conversation.sources.record_source import Hub
from lm.conversation.sources.records import field_of


@dataclass
class Node:
    """A message in its tree."""

    message: Message
    parent: str | None
    rank: float  # the lower the better; infinite where nobody ranked it
    deleted: bool
    task: str
    place: str


class MessageTrees(ConversationFiles):
    """A message a record, with its id and that of the message it replies to; conversations are paths from a root.

    `paths` are `all` from the root to each last answer, so what several have in common is learned as often, or of each
    tree the `best`: at each message the reply of the lowest rank (people ranked those to one message; one without a
    rank comes last, and of equals the first). Messages after the last answer of a path are left out, as is what
    `deleted_field` marks, with all replies to it. All conversations of a tree are held out together. A tree's messages
    may stand anywhere, so all records are read before the first conversation.
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
        hub: Hub | None = None,
    ):
        super().__init__(path, task_field=task_field, hub=hub)
        self.id_field, self.parent_field, self.role_field = id_field, parent_field, role_field
        self.content_field, self.rank_field, self.deleted_field = content_field, rank_field, deleted_field
        self.roles = {role: role for role in ROLES} | (roles or {})
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
                self.counts["messages were left out, as what they reply to is not there"] += 1
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
                    f"{place}: role {role!r} is not known: say who speaks, as +data.conversations.roles.{role}=user"
                )
            if name in nodes:
                raise ValueError(f"{place}: the message {name} is there already ({nodes[name].place}): leave one out")
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
        """The paths that are wanted of a tree, each up to its last answer."""
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
    """The messages that are an answer, or have one somewhere below them."""
    order = list(replies.get(None, []))
    for name in order:  # which grows: parents before their replies
        order += replies.get(name, [])
    found: set[str] = set()
    for name in reversed(order):
        if nodes[name].message.role == "assistant" or any(reply in found for reply in replies.get(name, [])):
            found.add(name)
    return found
