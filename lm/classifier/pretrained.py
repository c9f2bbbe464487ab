"""A classifier of Hugging Face transformers as a scorer, such as Detoxify's."""

from collections.abc import Sequence
from math import exp
from pathlib import Path

import torch

from lm.bounds import Count
from lm.files import hash_file, hash_json
from lm.sources.hugging_face import HUB_ID

WEIGHTS = "model.safetensors"
LABELS = ("toxicity", "toxic", "hate", "hateful", "label_1")
DIGITS = 8


class PretrainedScorer:
    """Scores texts by a transformer that others trained to classify them, as unitary/toxic-bert, which is Detoxify.

    Its folder is read from this machine; the hub is asked only if `revision` names a commit of it. Weights are read
    from safetensors alone, never from pickles, as the package detoxify would. It needs the package transformers.

    Args:
        path: Folder with config.json, model.safetensors and the tokenizer; or a hub id, with `revision`.
        revision: Commit of a model on the hub, 40 hexadecimal digits; null for a folder.
        label: Label whose probability is the score; null: toxicity, toxic, hate, hateful or label_1.
        rows: Texts that are scored at once; changes speed and memory.
        device: Where it runs, as cuda:0; null takes this process's GPU if there is one.
    """

    def __init__(
        self,
        *,
        path: str,
        revision: str | None = None,
        label: str | None = None,
        rows: Count = 32,
        device: str | None = None,
    ):
        try:
            from transformers import AutoModelForSequenceClassification, AutoTokenizer
        except ImportError:
            raise ValueError(
                "scorer=detoxify needs the package transformers: pip install 'lightning-lm[detoxify]'"
            ) from None
        folder = Path(path).expanduser()
        if revision is None and not (folder / WEIGHTS).is_file():
            remedy = (
                f"; for the hub's model set scorer.revision to a commit of {path}" if HUB_ID.fullmatch(path) else ""
            )
            raise ValueError(f"scorer.path: there is no {folder / WEIGHTS}: name the folder of a model{remedy}")
        source = {"local_files_only": True} if revision is None else {"revision": revision}
        name = str(folder) if revision is None else path
        model = AutoModelForSequenceClassification.from_pretrained(name, use_safetensors=True, **source)
        self.tokenizer = AutoTokenizer.from_pretrained(name, **source)
        self.path, self.revision, self.label, self.rows, self.device = name, revision, label, rows, device
        self.place = _place(model.config.id2label, label)
        self.several = model.config.problem_type == "multi_label_classification"
        self.model = model.to(device or ("cuda" if torch.cuda.is_available() else "cpu")).eval().requires_grad_(False)
        version = revision or hash_json([hash_file(folder / each) for each in ("config.json", WEIGHTS)])
        self.name = f"{folder.name} {version[:DIGITS]}"
        self.quality = [f"scorer {self.name}, trained by others: its quality is not measured here"]

    def __call__(self, texts: Sequence[str]) -> list[float]:
        found: list[float] = []
        for start in range(0, len(texts), self.rows):
            rows = [*texts[start : start + self.rows]]
            inputs = self.tokenizer(rows, return_tensors="pt", truncation=True, padding=True).to(self.model.device)
            with torch.inference_mode():
                found += map(self._score, self.model(**inputs).logits.double().cpu().tolist())
        return found

    def _score(self, logits: Sequence[float]) -> float:
        """The probability of the label: by itself, or among labels of which one holds."""
        own = logits[self.place]
        if self.several or len(logits) == 1:
            return 1 / (1 + exp(-max(-700.0, own)))
        return 1 / sum(exp(min(700.0, each - own)) for each in logits)


def _place(labels: dict[int, str], label: str | None) -> int:
    """The place of a label among those of a model."""
    known = {name.lower(): place for place, name in labels.items()}
    for name in LABELS if label is None else (label.lower(),):
        if name in known:
            return known[name]
    raise ValueError(f"scorer.label={label}: the model has the labels {', '.join(labels.values())}: set one of them")
