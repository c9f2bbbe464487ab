"""Refuse an objective that cannot learn from the data, before anything is trained."""

from lm.batch import Batch, LabelledBatch, PreferenceBatch, PromptBatch
from lm.data import Rows
from lm.objective import Objective

HELD = {  # what rows hold → in words, the data that hold it, an objective that learns from it
    Batch: ("texts or conversations", "data=instruction", "objective=causal"),
    PreferenceBatch: ("pairs of answers", "data=preference with pairs", "objective=dpo"),
    LabelledBatch: ("labelled answers", "data=preference with labels", "objective=kto"),
    PromptBatch: ("prompts", "data=prompts", "objective=grpo"),
}


def check_data(rows: Rows, module: Objective) -> None:
    """Refuse rows that the objective does not read.

    Args:
        rows: The rows of the run.
        module: Its objective.

    Raises:
        ValueError: With the objective for these rows and the data for this objective.
    """
    reads = module.reads
    held = {source.batch for source in rows.sources.values()}
    if held <= {*reads} or not held <= HELD.keys() or not {*reads} <= HELD.keys():
        return
    ((words, _, objective),) = (HELD[batch] for batch in held - {*reads})
    needed, data, _ = HELD[reads[0]]
    raise ValueError(
        f"the data hold {words}, and {type(module).__name__} learns from {needed}: set {objective} for these "
        f"data, or {data} for this objective"
    )
