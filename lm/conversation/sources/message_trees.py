"""Conversations from trees of messages with several replies to each (OpenAssistant)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from lm.conversation.conversation import Conversation, Message
from lm.conversation.sources.preferences import Preferences
from lm.conversation.sources.record import Record
from lm.conversation.sources.records import HubDataset, field_of, kind_of
from lm.conversation.sources.roles import known_roles, role_fault
from lm.conversation.sources.source import LayoutSource
from lm.conversation.sources.training_flags import is_learned
from lm.sources.fields import is_missing


@dataclass
class Node:
    """A message in its tree."""

    message: Message
    parent: str | int | float | None
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
        preferences: Records that compare a better answer with a worse one: refuse them, or read the chosen answers.
        columns: Names of the columns of CSV and TSV files without a header; null reads the header.
        quoted: Whether quotes enclose cells of CSV and TSV; false takes them as text.
        delimiter: Character between cells of CSV and TSV; null finds it.
        encoding: Encoding of the files, as windows-1252; detect guesses it.
        records_field: Field with the list of records, as data, in a JSON file of one object; null for other files.
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
        preferences: Preferences = "refuse",
        columns: list[str] | None = None,
        quoted: bool = True,
        delimiter: str | None = None,
        encoding: str = "utf-8",
        records_field: str | None = None,
        hub: HubDataset | None = None,
    ):
        super().__init__(
            path,
            task_field=task_field,
            preferences=preferences,
            columns=columns,
            quoted=quoted,
            delimiter=delimiter,
            encoding=encoding,
            records_field=records_field,
            hub=hub,
        )
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
        replies = self._replies(nodes)
        answered = _answered(nodes, replies)
        for root in replies.get(None, []):
            if root not in answered:
                self.counts["trees have no answer"] += 1
                continue
            for path in self._paths(root, nodes, replies, answered):
                messages = tuple(nodes[name].message for name in path)
                yield Conversation(messages, task=nodes[root].task, group=root, place=nodes[path[-1]].place)

    def _replies(self, nodes: dict[str, Node]) -> dict[str | None, list[str]]:
        """The replies to each message, under None the roots; counts the messages that no root leads to."""
        children: dict[str | None, list[str]] = {}
        for name, node in nodes.items():
            children.setdefault(node.parent, []).append(name)
        orphans = [name for name, node in nodes.items() if node.parent is not None and node.parent not in nodes]
        deleted = [name for name, node in nodes.items() if node.deleted]
        lost = {*orphans, *deleted}
        reached = _descendants(children.get(None, []), children, without=lost)
        below = _descendants([*lost], children, without=set()) - lost
        for names, why in (
            ({*orphans}, "because their parent is missing"),
            ({*deleted} - {*orphans}, "as deleted"),
            (below, "with the message that they reply to"),
            (nodes.keys() - reached - lost - below, "because they reply to each other in a circle"),
        ):
            if names:
                first = next(node.place for name, node in nodes.items() if name in names)
                self.counts[f"messages were left out {why}, the first: {first}"] += len(names)
        return {name: [each for each in own if each in reached] for name, own in children.items()}

    def _nodes(self) -> dict[str, Node]:
        nodes: dict[str, Node] = {}
        for place, record in self.read_records():
            name = _id(field_of(record, self.id_field, place), self.id_field, place)
            parent = _id(field_of(record, self.parent_field, place), self.parent_field, place)
            if name is None:
                raise ValueError(f"{place}: field {self.id_field!r} is empty: each message needs an id of its own")
            role = field_of(record, self.role_field, place)
            if not isinstance(role, str) or role not in self.roles:
                raise ValueError(f"{place}: {role_fault(role, [role], self.roles)}")
            node = Node(
                self._message(record, self.roles[role], place),
                parent,
                self._rank(record, place),
                self.deleted_field is not None and _is_true(record.get(self.deleted_field)),
                self.task(record, place),
                place,
            )
            if name not in nodes:
                nodes[name] = node
            elif replace(node, place=nodes[name].place) == nodes[name]:
                self.counts["messages occur a second time, word for word, and were left out"] += 1
            else:
                raise ValueError(f"{place}: message {name} exists already ({nodes[name].place}): remove one")
        return nodes

    def _rank(self, record: Record, place: str) -> float:
        rank = record.get(self.rank_field) if self.rank_field is not None else None
        if is_missing(rank) or rank == "":
            return float("inf")
        try:
            return float(rank)
        except (TypeError, ValueError):
            raise ValueError(f"{place}: field {self.rank_field!r} is {rank!r}, not a number") from None

    def _message(self, record: Record, role: str, place: str) -> Message:
        learned = role != "assistant" or is_learned(record, place) is not False
        if not learned:
            self.counts["answers are marked as not to be learned, and are context only"] += 1
        return Message(role, field_of(record, self.content_field, place), supervised=learned)

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


def _id(value: object, field: str, place: str) -> str | int | float | None:
    """The id of a message; None for null, NaN and blank cells of tables."""
    if is_missing(value) or value == "":
        return None
    if not isinstance(value, str | int | float):
        raise ValueError(f"{place}: field {field!r} is {kind_of(value)}, not an id")
    return value


def _is_true(value: object) -> bool:
    """Whether a cell says true; tables spell it."""
    if isinstance(value, str):
        return value.strip().lower() not in ("", "false", "f", "no", "n", "0", "0.0", "null", "none")
    return bool(value) and not is_missing(value)


def _descendants(starts: list[str], children: dict[str | None, list[str]], *, without: set[str]) -> set[str]:
    """The messages that are among the starts or below them, but for those in `without` and what is below these."""
    found, left = set(), [name for name in starts if name not in without]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += [reply for reply in children.get(name, []) if reply not in without]
    return found


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
