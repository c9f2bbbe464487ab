"""Open SentencePiece .model files, as Llama 2 and Mistral have them, with their own ids."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory
from tokenizers import AddedToken, Regex, decoders, models, normalizers
from tokenizers import Tokenizer as Backend

from lm.tokenizer.byte_alphabet import BLANK
from lm.tokenizer.load import add_special_tokens, with_special_tokens
from lm.tokenizer.tokenizer import Tokenizer

KINDS = {1: "unigram", 2: "BPE", 3: "word", 4: "character"}
BPE = 2
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
# Fields of the messages in the file that are needed here: name, number and type (sentencepiece_model.proto).
FIELDS = {
    "Piece": [("piece", 1, "string"), ("score", 2, "float"), ("type", 3, "int32")],
    "Trainer": [("model_type", 3, "int32"), ("whitespace_suffix", 24, "bool")],
    "Normalizer": [("charsmap", 2, "bytes"), ("prefix", 3, "bool"), ("squeeze", 4, "bool"), ("escape", 5, "bool")],
    "Model": [("pieces", 1, "Piece"), ("trainer", 2, "Trainer"), ("normalizer", 3, "Normalizer")],
}
DEFAULTS = {"type": "1", "model_type": "1", "prefix": "true", "squeeze": "true", "escape": "true"}


def sentencepiece_tokenizer(texts: Iterable[str], *, path: str) -> Tokenizer:
    """Open the vocabulary of a SentencePiece .model file, with its own ids.

    The ids of a text equal SentencePiece's, including the space that the model puts before it and user-defined pieces
    wherever a text has them. Control tokens typed in a text are text. Models that `tokenizers` encodes differently are
    refused: its Unigram adds scores in another precision and takes a typed `<s>` for the token, and a character map
    (nmt_nfkc) loses characters.

    Args:
        texts: Ignored; every trainer takes texts.
        path: The .model file, of type BPE with identity normalization and byte_fallback.

    Returns:
        The tokenizer.

    Raises:
        ValueError: The file is missing, or its ids or bytes could not be preserved.
    """
    model = _read(path)
    types = {piece.piece: piece.type for piece in model.pieces}
    if reason := _unsupported(model):
        raise ValueError(
            f"{path} is a SentencePiece model whose ids could not be preserved: it {reason}; give one of type BPE with "
            "identity normalization, such as those of Llama 2 and Mistral"
        )
    if BYTE not in types.values():
        raise ValueError(
            f"{path} has no byte pieces: text outside its vocabulary is lost as {_unknown(types)}, so bytes cannot be "
            "counted; use a model trained with byte_fallback"
        )
    ids = {piece.piece: number for number, piece in enumerate(model.pieces)}
    scores = {piece.piece: piece.score for piece in model.pieces if piece.type == NORMAL}
    backend = Backend(models.BPE(ids, _merges(scores), unk_token=_unknown(types), fuse_unk=True, byte_fallback=True))
    defined = [piece for piece in ids if types[piece] == USER_DEFINED and " " not in piece]
    backend.normalizer = _normalizer(model.normalizer, defined)
    strip = [decoders.Strip(" ", 1, 0)] if model.normalizer.prefix else []
    backend.decoder = decoders.Sequence(
        [decoders.Replace(BLANK, " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    )
    add_special_tokens(backend, [piece for piece, kind in types.items() if kind in (UNKNOWN, CONTROL)])
    for piece in defined:
        if backend.normalizer.normalize_str(piece) != piece or (model.normalizer.prefix and piece.startswith(BLANK)):
            raise ValueError(
                f"{path} is a SentencePiece model whose ids could not be preserved: its user-defined piece {piece!r} "
                "has blanks that the model squeezes, or one at its start; use a model without it"
            )
    backend.add_tokens([AddedToken(piece, special=False, normalized=True) for piece in defined])
    return with_special_tokens(backend.to_str(pretty=True), origin=path)


def _unsupported(model: Any) -> str | None:
    """Return what the model does that `tokenizers` does differently."""
    normalizer = model.normalizer
    spaced = [piece.piece for piece in model.pieces if piece.type == USER_DEFINED and " " in piece.piece]
    reasons = {
        f"is of type {KINDS.get(model.trainer.model_type)}": model.trainer.model_type != BPE,
        "writes a space after a word (treat_whitespace_as_suffix)": model.trainer.whitespace_suffix,
        "maps characters (normalization_rule_name)": normalizer.charsmap,
        "does not write a space as ▁ (escape_whitespaces)": not normalizer.escape,
        "has unused pieces": any(piece.type == UNUSED for piece in model.pieces),
        f"squeezes spaces, but not in its user-defined piece {spaced[:1]}": spaced and normalizer.squeeze,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def _merges(scores: dict[str, float]) -> list[tuple[str, str]]:
    """Return every pair of pieces that makes a piece, in the order of the score of the result.

    SentencePiece merges whichever neighbours make the piece of highest score.
    """
    order = {piece: number for number, piece in enumerate(sorted(scores, key=lambda piece: -scores[piece]))}
    merges = []
    for piece, place in order.items():
        for split in range(1, len(piece)):
            left, right = piece[:split], piece[split:]
            if left in order and right in order:
                merges.append((place, order[left], order[right], left, right))
    return [(left, right) for *_, left, right in sorted(merges)]


def _normalizer(settings: Any, defined: list[str]) -> normalizers.Normalizer:
    """Return the normalizer. It leaves a lone user-defined piece alone, as `tokenizers` looks for normalized pieces."""
    steps: list[normalizers.Normalizer] = []
    if settings.squeeze:
        steps += [normalizers.Replace(Regex(r"\A +"), ""), normalizers.Replace(Regex(" {2,}"), " ")]
        steps.append(normalizers.Replace(Regex(rf"[ {BLANK}]+\z"), ""))
    if settings.prefix:
        steps.append(normalizers.Prepend(BLANK))
    steps.append(normalizers.Replace(" ", BLANK))
    if settings.prefix and defined:
        steps.append(normalizers.Replace(Regex(rf"\A{BLANK}(?=(?:{'|'.join(map(_escaped, defined))})\z)"), ""))
    return normalizers.Sequence(steps)


def _escaped(piece: str) -> str:
    """Write a piece as a regular expression of `tokenizers`."""
    return "".join(rf"\x{{{ord(character):x}}}" for character in piece)


def _unknown(types: dict[str, int]) -> str:
    return next(piece for piece, kind in types.items() if kind == UNKNOWN)


def _read(path: str) -> Any:
    """Read the file as a protobuf message with the fields above."""
    if not Path(path).is_file():
        raise ValueError(f"there is no file {path}: give the path of a SentencePiece .model")
    model = message_factory.GetMessageClass(_pool().FindMessageTypeByName("lm.Model"))()
    try:
        model.ParseFromString(Path(path).read_bytes())
    except message.DecodeError:
        model.Clear()
    if not any(piece.type == UNKNOWN for piece in model.pieces):
        raise ValueError(f"{path} is not a SentencePiece model: give the .model file as its trainer wrote it")
    return model


def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(name="lm.proto", package="lm", syntax="proto2")
    field = descriptor_pb2.FieldDescriptorProto
    for name, fields in FIELDS.items():
        described = file.message_type.add(name=name)
        for label, number, kind in fields:
            many = field.LABEL_REPEATED if label == "pieces" else field.LABEL_OPTIONAL
            added = described.field.add(name=label, number=number, label=many)
            if kind in FIELDS:
                added.type, added.type_name = field.TYPE_MESSAGE, f".lm.{kind}"
            else:
                added.type = getattr(field, f"TYPE_{kind.upper()}")
            if label in DEFAULTS:
                added.default_value = DEFAULTS[label]
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool
