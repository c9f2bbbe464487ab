"""Write a trained model in a format of other programs."""

from collections.abc import Mapping
from typing import Any

import torch

from lm.conversation import Message, RecordedTemplate, Template, has_recorded_template, jinja_of, published_files
from lm.directory import Run
from lm.interchange import Format, Published
from lm.model import ModelSource
from lm.tokenizer import Tokenizer

GREETING = (Message("user", "Hello"),)


def export(run: Run, model: ModelSource, tokenizer: Tokenizer, recorded: RecordedTemplate, format: Format) -> None:
    """Write a trained model in a format of other programs. What it cannot hold is refused before weights are read.

    Args:
        run: Name and directory of what is written.
        model: The trained model; adapters are merged.
        tokenizer: The model's tokenizer.
        recorded: The template that the model was tuned in, if it was.
        format: The format.
    """
    parent = model.parent()
    if run.finished(model.fingerprint(), parent=parent):
        run.console.line(f"nothing to do: {run.directory} is complete")
        return
    template = recorded.resolve(None) if has_recorded_template(model.origin) else None
    outputs, notes = format.write(run.directory, _published(model, tokenizer, template))
    run.console.lines(f"note: {note}" for note in notes)
    run.finish(outputs=outputs, result={"step": parent["step"], "notes": notes})
    run.console.line(f"{_described(parent)} → {', '.join(map(str, outputs))}")


def _described(parent: Mapping[str, Any]) -> str:
    """The model that is written, as `outputs/instruct/default (best, step 120)`."""
    step = "" if parent["step"] is None else f", step {parent['step']}"
    return f"{parent['run']} ({parent['which']}{step})"


def _published(model: ModelSource, tokenizer: Tokenizer, template: Template | None) -> Published:
    stops = template.stop_tokens(tokenizer) if template else []
    opening = template.prompt(GREETING, tokenizer) if template else tokenizer.opening
    with torch.device("meta"):
        outline = model.outline(vocab_size=tokenizer.vocab_size)
    return Published(
        outline=outline,
        build=lambda: model.build(vocab_size=tokenizer.vocab_size),
        description=model.describe(vocab_size=tokenizer.vocab_size),
        unmerged=lambda: model.unmerged(vocab_size=tokenizer.vocab_size),
        tokenizer=tokenizer,
        ends=[*tokenizer.ends[:1], *stops, *tokenizer.ends],
        opens=[*opening[:1]] == [tokenizer.beginning],
        chat_template=lambda: jinja_of(template, tokenizer) if template else None,
        files=lambda: published_files(tokenizer, template=template, context=outline.context),
        template=template.describe() if template else None,
    )
