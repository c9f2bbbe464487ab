"""Write a trained model in a format of other programs."""

from lm.checkpoint import RunModel
from lm.conversation import Message, RecordedTemplate, Template, has_recorded_template, jinja_of, published_files
from lm.directory import Run
from lm.interchange import Format, Published
from lm.tokenizer import Tokenizer

GREETING = (Message("user", "Hello"),)


def export(run: Run, model: RunModel, tokenizer: Tokenizer, recorded: RecordedTemplate, format: Format) -> None:
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
    run.console.line(f"{model.checkpoint}, step {parent['step']} → {', '.join(map(str, outputs))}")


def _published(model: RunModel, tokenizer: Tokenizer, template: Template | None) -> Published:
    stops = template.stop_tokens(tokenizer) if template else []
    opening = template.prompt(GREETING, tokenizer) if template else tokenizer.opening
    return Published(
        outline=model.outline(vocab_size=tokenizer.vocab_size),
        build=lambda: model.build(vocab_size=tokenizer.vocab_size),
        tokenizer=tokenizer,
        ends=[*tokenizer.ends[:1], *stops, *tokenizer.ends],
        opens=[*opening[:1]] == [tokenizer.beginning],
        chat_template=lambda: jinja_of(template, tokenizer) if template else None,
        files=lambda: published_files(tokenizer, template=template),
    )
