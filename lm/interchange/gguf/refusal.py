"""Why llama.cpp cannot have a tokenizer, and what to do about it."""

REMEDY = "export it with format=huggingface, or train a model with tokenizer=bpe"


def no_tokenizer(what: str, *, remedy: str = REMEDY) -> ValueError:
    """Return the error for a tokenizer with something that llama.cpp does not have.

    Args:
        what: What the tokenizer has, as `the family Unigram`.
        remedy: What the user can do.
    """
    return ValueError(f"format=gguf: llama.cpp has no tokenizer with {what}: {remedy}")
