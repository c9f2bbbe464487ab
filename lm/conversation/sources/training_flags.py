"""Marks by which files say that an answer, or a whole record, is not to be learned."""

from lm.conversation.sources.record import Record, is_empty

FLAGS = ("train", "training", "trainable", "loss", "weight", "loss_weight")
WORDS = {"true": True, "yes": True, "false": False, "no": False}
PARTIAL = "train_detail"


def is_learned(turn: Record, where: str) -> bool | None:
    """Return whether the marks of a turn let it be learned; None without a mark.

    Args:
        turn: The message.
        where: Its place, which begins error messages.

    Raises:
        ValueError: A mark asks for a part of the loss weight, or of the turn.
    """
    if not is_empty(turn.get(PARTIAL)):
        raise ValueError(
            f"{where}: {PARTIAL} marks parts of a turn, but a turn is learned as a whole or not at all: give the turn "
            "train: false, or remove the field"
        )
    found = []
    for flag in FLAGS:
        value = turn.get(flag)
        if is_empty(value):
            continue
        meaning = _meaning(value)
        if meaning is None:
            raise ValueError(
                f"{where}: {flag} {value!r} asks for a share of the loss weight, but an answer counts fully or not at "
                "all: set it to 1 or 0, or remove the field"
            )
        found.append(meaning)
    return all(found) if found else None


def asks_to_be_learned(turn: Record) -> bool:
    """Return whether a mark of a turn says that it is to be learned. A weight of 1 says nothing: it is the default."""
    marks = [turn.get(flag) for flag in (*FLAGS, PARTIAL)]
    return any(mark is True or (isinstance(mark, str) and mark.strip().lower() == "true") for mark in marks)


def is_left_out(record: Record) -> bool:
    """Return whether a mark of the record says that nothing of it is to be learned; such marks are read.

    A number as `loss` is a measurement, not a mark.
    """
    marks = [flag for flag in FLAGS if flag != "loss" or isinstance(record.peek(flag), bool | str)]
    meanings = [_meaning(record.get(flag)) for flag in marks if _meaning(record.peek(flag)) is not None]
    return False in meanings


def _meaning(value: object) -> bool | None:
    """True, False, or None for a value that is neither, such as 0.5."""
    if isinstance(value, str):
        word = value.strip().lower()
        if word in WORDS:
            return WORDS[word]
        try:
            value = float(word)
        except ValueError:
            return None
    return bool(value) if isinstance(value, bool | int | float) and value in (0, 1) else None
