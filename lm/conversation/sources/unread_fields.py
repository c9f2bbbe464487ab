"""Say which fields of records and messages were not read, so that nothing a file says is left out in silence."""

from collections import Counter
from collections.abc import Collection

from lm.conversation.sources.record import Record

OPTIONS = {  # option that would read a field → usual names of such fields
    "tools_field": ["tools", "functions", "available_tools", "tool_definitions"],
    "history_field": ["history", "chat_history", "conversation_history", "previous_turns"],
    "system_field": ["system", "system_prompt", "system_message", "sys_prompt"],
    "input_field": ["input", "context", "document", "documents", "passage"],
    "rationale_field": [
        "rationale",
        "explanation",
        "cot",
        "chain_of_thought",
        "reasoning",
        "reasoning_content",
        "thinking",
    ],
}
NO_OPTION = {  # why no option reads a field → usual names of such fields
    "only text is read": ["image", "images", "audio", "audios", "video", "videos", "file", "files", "attachments"],
    "all conversations have the same weight": ["weight", "loss_weight", "sample_weight", "weights"],
    "data/conversations=messages reads it in the turns": ["function_call", "tool_calls", "calls"],
    "put it into the content if it matters": ["name", "speaker", "author"],
    "data/conversations=messages reads it": ["messages", "conversations", "turns"],
}
MEANT = {field: option for option, fields in OPTIONS.items() for field in fields}
REASONS = {field: reason for reason, fields in NO_OPTION.items() for field in fields}
MAX_NAMED = 8  # other fields that are named


class UnreadFields:
    """Count the fields that no option reads.

    A field whose name says that it carries meaning has a note of its own with the remedy; the others share one.

    Args:
        parameters: Options that the layout has.
    """

    def __init__(self, parameters: Collection[str]):
        self.parameters = parameters
        self._counts: dict[str, Counter[str]] = {unit: Counter() for unit in ("records", "turns", "instances")}

    def clear(self) -> None:
        """Reset the counts."""
        for counts in self._counts.values():
            counts.clear()

    def add(self, record: Record, unit: str = "records") -> None:
        """Count the unread fields of a record, or of one of its turns or instances."""
        self._counts[unit].update(record.unread())

    def notes(self) -> list[str]:
        """Return what was not read, most important first."""
        notes, others = [], []
        for unit, counts in self._counts.items():
            for field, count in counts.items():
                if remedy := self._remedy(field, unit):
                    notes.append(f"{field} in {count} {unit} was not read: {remedy}")
                else:
                    others.append(field if unit == "records" else f"{field} of {unit}")
        if others:
            more = f" and {len(others) - MAX_NAMED} more" if len(others) > MAX_NAMED else ""
            notes.append(f"fields that were not read: {', '.join(others[:MAX_NAMED])}{more}")
        return notes

    def _remedy(self, field: str, unit: str) -> str | None:
        """What would read a field that carries meaning; None for any other field."""
        name = field.lower()
        option = MEANT.get(name)
        if option is not None and unit != "turns" and option in self.parameters:
            return f"data.conversations.{option}={field} reads it"
        if option is not None:
            return "no option of this layout reads it"
        if name in ("name", "speaker", "author") and unit != "turns":
            return None  # of a record, as of its task
        return REASONS.get(name)
