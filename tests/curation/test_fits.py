"""A conversation fits exactly if training accepts it whole."""

from pathlib import Path

import pytest

from lm.checkpoint.architecture import write_architecture
from lm.conversation import RecordedTemplate, record_template
from lm.curation import Fits
from lm.data.conversations import EncodedConversations
from lm.tokenizer import byte_tokenizer
from support.talks import conversation_of, template_of

TOKENIZER, CONTEXT = byte_tokenizer([]), 40
TALKS = [conversation_of(("user", "?"), ("assistant", "y" * length), place=f"talk {length}") for length in range(1, 50)]


@pytest.mark.parametrize("option", ["roles", "chatml"])
def test_exactly_what_training_takes_whole_fits(option: str, tmp_path: Path) -> None:
    """In the template that the model was taught in, which nobody has to say again."""
    template = template_of(option)
    write_architecture(tmp_path, {"_target_": "lm.model.Transformer", "vocab_size": 300, "context": CONTEXT})
    record_template(tmp_path, template)
    dropped = Fits(str(tmp_path), tokenizer=TOKENIZER, recorded=RecordedTemplate(str(tmp_path)))(TALKS)
    taken = EncodedConversations(template=template, tokenizer=TOKENIZER, context=CONTEXT, too_long="drop")
    for each in TALKS:
        taken.add(each)
    assert 0 < len(taken) < len(TALKS)
    assert [each.place for number, each in enumerate(TALKS) if number not in dropped] == taken.places
    first = dropped[min(dropped)]
    assert (first.reason, first.detail) == ("longer than the context", "41 tokens to predict, more than 40")
