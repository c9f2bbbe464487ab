"""The tokens that are no text, and the role of each. A tokenizer.json tells the roles by these names."""

END_OF_DOCUMENT = "<|end_of_document|>"
PADDING = "<|padding|>"
END_OF_TURN = "<|end_of_turn|>"
ROLES = {"system": "<|system|>", "user": "<|user|>", "assistant": "<|assistant|>"}

SPECIAL_TOKENS = (END_OF_DOCUMENT, PADDING, *ROLES.values(), END_OF_TURN)
