"""Open SentencePiece .model files, as Llama 2 and Mistral have them, with their own ids."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory
from tokenizers import AddedToken, Regex, decoders, models, normalizers
from tokenizers import Tokenizer as Backend

from lm.tokenizer.byte_alphabet import BLANK
from lm.tokenizer.load import add_special_tokens, with_special_tokens
from lm.tokenizer.sentencepiece_encoder import embed
from lm.tokenizer.tokenizer import Tokenizer

BPE = 2  # model_type
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
    wherever a text has them. Control tokens typed in a text are text. `tokenizers` encodes models as Llama 2 and
    Mistral have them; others (unigram, a character map such as nmt_nfkc, no byte pieces …) need the library itself:
    pip install 'lightning-lm[sentencepiece]'.

    A character map loses characters. So does a model without byte pieces: what its vocabulary lacks is read as `⁇`.
    Bits per byte then describe the text as it is read; the share that is lost is reported.

    Args:
        texts: Ignored; every trainer takes texts.
        path: The .model file.

    Returns:
        The tokenizer.

    Raises:
        ValueError: The file is missing or is not a SentencePiece model.
        ImportError: The model needs the library sentencepiece, which is not installed.
    """
    return with_special_tokens(sentencepiece_content(path), origin=path)


def sentencepiece_content(path: str) -> str:
    """Return a tokenizer.json with the vocabulary of a .model file, and with the file itself if it is needed.

    Raises:
        ValueError: The file is missing or is not a SentencePiece model.
    """
    model, content = _read(path)
    if _for_tokenizers(model):
        return _file_of(model, _defined(model)).to_str(pretty=True)
    pieces = {piece.piece: piece.type for piece in model.pieces}
    if BYTE in pieces.values() and BLANK not in pieces:
        raise ValueError(
            f"{path} has no piece {BLANK}: it writes a space as the bytes of {BLANK}, so texts are not given back; use "
            "a model that has this piece"
        )
    embedding = embed(json.loads(_file_of(model, []).to_str()), content)
    return json.dumps(embedding, ensure_ascii=False)


def _file_of(model: Any, defined: list[str]) -> Backend:
    """Return the tokenizer.json of a model, as `tokenizers` reads it."""
    types = {piece.piece: piece.type for piece in model.pieces}
    unknown, has_bytes = next(piece for piece, kind in types.items() if kind == UNKNOWN), BYTE in types.values()
    if model.trainer.model_type == BPE:
        ids = {piece.piece: number for number, piece in enumerate(model.pieces)}
        scores = {piece.piece: piece.score for piece in model.pieces if piece.type == NORMAL}
        merges = _merges(scores)
        backend = Backend(models.BPE(ids, merges, unk_token=unknown, fuse_unk=True, byte_fallback=has_bytes))
    else:
        scored = [(piece.piece, piece.score) for piece in model.pieces]
        backend = Backend(models.Unigram(scored, [*types].index(unknown), has_bytes))
    backend.normalizer = _normalizer(model.normalizer, defined)
    strip = [decoders.Strip(" ", 1, 0)] if model.normalizer.prefix else []
    backend.decoder = decoders.Sequence(
        [decoders.Replace(BLANK, " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    )
    special = (UNKNOWN, CONTROL) if has_bytes else (CONTROL,)  # without bytes, texts have unknown pieces
    add_special_tokens(backend, [piece for piece, kind in types.items() if kind in special])
    backend.add_tokens([AddedToken(piece, special=False, normalized=True) for piece in defined])
    return backend


def _defined(model: Any) -> list[str]:
    """User-defined pieces that a text can have. With a space in place of ▁ they never match escaped text."""
    return [piece.piece for piece in model.pieces if piece.type == USER_DEFINED and " " not in piece.piece]


def _for_tokenizers(model: Any) -> bool:
    """Whether `tokenizers` gives the ids of the model, and every byte of a text."""
    normalizer, types = model.normalizer, {piece.type for piece in model.pieces}
    if model.trainer.model_type != BPE or BYTE not in types or UNUSED in types:
        return False
    if normalizer.charsmap or not normalizer.escape or model.trainer.whitespace_suffix:
        return False
    if normalizer.squeeze and any(piece.type == USER_DEFINED and " " in piece.piece for piece in model.pieces):
        return False
    written = _normalizer(normalizer, _defined(model))
    changed = [piece for piece in _defined(model) if written.normalize_str(piece) != piece]  # its blanks are squeezed
    return not changed and not (normalizer.prefix and any(piece.startswith(BLANK) for piece in _defined(model)))


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
    steps: list[normalizers.Normalizer] = [normalizers.Precompiled(settings.charsmap)] if settings.charsmap else []
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


def _read(path: str) -> tuple[Any, bytes]:
    """Read the file as a protobuf message with the fields above, and its content."""
    if not Path(path).is_file():
        raise ValueError(f"there is no file {path}: give the path of a SentencePiece .model")
    content = Path(path).read_bytes()
    model = message_factory.GetMessageClass(_pool().FindMessageTypeByName("lm.Model"))()
    try:
        model.ParseFromString(content)
    except message.DecodeError:
        model.Clear()
    if not any(piece.type == UNKNOWN for piece in model.pieces):
        raise ValueError(f"{path} is not a SentencePiece model: give the .model file as its trainer wrote it")
    return model, content


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
