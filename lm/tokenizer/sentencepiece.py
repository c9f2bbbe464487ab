"""Vocabularies in SentencePiece's .model files, as Llama 2 and Mistral have them, with the ids they have there."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory
from tokenizers import AddedToken, Regex, decoders, models, normalizers
from tokenizers import Tokenizer as Backend

from lm.tokenizer.bytes_of import BLANK
from lm.tokenizer.load import completed
from lm.tokenizer.tokenizer import Tokenizer

BPE = 2
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6
# What is needed here of the messages in the file: name, number and type (sentencepiece_model.proto).
FIELDS = {
    "Piece": [("piece", 1, "string"), ("score", 2, "float"), ("type", 3, "int32")],
    "Trainer": [("model_type", 3, "int32"), ("whitespace_suffix", 24, "bool")],
    "Normalizer": [("charsmap", 2, "bytes"), ("prefix", 3, "bool"), ("squeeze", 4, "bool"), ("escape", 5, "bool")],
    "Model": [("pieces", 1, "Piece"), ("trainer", 2, "Trainer"), ("normalizer", 3, "Normalizer")],
}
DEFAULTS = {"type": "1", "model_type": "1", "prefix": "true", "squeeze": "true", "escape": "true"}


def sentencepiece_tokenizer(texts: Iterable[str], *, path: str) -> Tokenizer:
    """The vocabulary of a SentencePiece .model file, without looking at the texts.

    The ids of a text are SentencePiece's, with the space before it that the model asks for. Control tokens typed in a
    text are text. So are the pieces that a model's author defined apart (as `[REFERENCE_DOC_1]`) where the model puts a
    space before texts, since `tokenizers` would put one after them too. Refused is what `tokenizers` does otherwise:
    Unigram takes a typed `<s>` for the token, and a table of characters (nmt_nfkc) loses some.
    """
    model = _read(path)
    trainer, normalizer = model.trainer, model.normalizer
    if trainer.model_type != BPE or trainer.whitespace_suffix or not normalizer.escape or normalizer.charsmap:
        raise ValueError(
            f"{path} is a SentencePiece model of a kind whose ids could not be kept: give one of type BPE whose "
            "normalisation is identity, as those of Llama 2 and Mistral"
        )
    pieces = [piece.piece for piece in model.pieces]
    types = {piece.piece: piece.type for piece in model.pieces}
    if BYTE not in types.values():
        raise ValueError(
            f"{path} has no byte pieces: what is not in its vocabulary is lost as {_unknown(types)}, so bytes "
            "could not be counted; use a model that was trained with byte_fallback"
        )
    ids = {piece: number for number, piece in enumerate(pieces)}
    scores = {piece.piece: piece.score for piece in model.pieces if piece.type == NORMAL}
    backend = Backend(models.BPE(ids, _merges(scores), unk_token=_unknown(types), fuse_unk=True, byte_fallback=True))
    backend.normalizer = _normalizer(normalizer)
    backend.decoder = decoders.Sequence(
        [decoders.Replace(BLANK, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        if normalizer.prefix
        else [decoders.Replace(BLANK, " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    marks = [piece for piece, kind in types.items() if kind in (UNKNOWN, CONTROL)]
    backend.add_special_tokens([AddedToken(mark, special=True, normalized=False) for mark in marks])
    if not normalizer.prefix:
        own = [piece for piece, kind in types.items() if kind == USER_DEFINED]
        backend.add_tokens([AddedToken(piece, special=False, normalized=False) for piece in own])
    try:
        return completed(backend.to_str(pretty=True))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _merges(scores: dict[str, float]) -> list[tuple[str, str]]:
    """Every pair of pieces that makes a piece, in the order of what it makes: SentencePiece merges whichever neighbours
    make the piece of highest score."""
    order = {piece: number for number, piece in enumerate(sorted(scores, key=lambda piece: -scores[piece]))}
    found = []
    for piece, place in order.items():
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in order and right in order:
                found.append((place, order[left], order[right], left, right))
    return [(left, right) for *_, left, right in sorted(found)]


def _normalizer(asked: Any) -> normalizers.Normalizer:
    steps: list[normalizers.Normalizer] = []
    if asked.squeeze:
        steps += [normalizers.Replace(Regex(r"\A +"), ""), normalizers.Replace(Regex(" {2,}"), " ")]
        steps.append(normalizers.Replace(Regex(rf"[ {BLANK}]+\z"), ""))
    if asked.prefix:
        steps.append(normalizers.Prepend(BLANK))
    return normalizers.Sequence([*steps, normalizers.Replace(" ", BLANK)])


def _unknown(types: dict[str, int]) -> str:
    return next(piece for piece, kind in types.items() if kind == UNKNOWN)


def _read(path: str) -> Any:
    """The file as a protobuf message with the fields named above."""
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
