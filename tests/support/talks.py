"""Random conversations, the templates of conf/conversation, and tokenizers to encode them with."""

import random
from functools import cache
from pathlib import Path

import tokenizers
import yaml

from lm.config.outline import config_directory
from lm.config.target import locate
from lm.conversation import Conversation, Message, Template
from lm.tokenizer import Tokenizer, gpt2_tokenizer, sentencepiece_tokenizer, train_bpe
from lm.tokenizer.load import with_special_tokens
from support.spaced import spaced_tokenizer

DATA = Path(__file__).parents[3] / "shared" / "data" / "tokenizers"
TEXT = ["what does this do? it returns what it is given: def f(x):\n    return x\n"] * 4
SPECIAL = [
    "<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>",
    "<s>", "</s>", "<bos>", "<start_of_turn>", "<end_of_turn>", "[INST]", "[/INST]",
]  # fmt: skip
PIECES = [
    "what", " does", " do", "?", "\n", "  ", "é", "日本", "🙂", "<|user|>", "<|end_of_turn|>", "<|assistant|>",
    "<|end_of_document|>", "None", "\t", "def f():", "\r\n", "\u200b", "e\u0301", "\u0301", "\x00", "{}", "<|role|>",
    "<<SYS>>", "<</SYS>>", "### Response:", *SPECIAL,
]  # fmt: skip
OPTIONS = ["roles", "chatml", "llama2", "llama3", "mistral", "mistral_v3", "gemma", "alpaca"]
ALTERNATING = ("llama2", "mistral", "mistral_v3", "gemma")
TOOLS = ("chatml", "llama3")


def conversation_of(*turns, **more) -> Conversation:
    return Conversation(tuple(Message(role, content) for role, content in turns), **more)


def random_conversation(draw: random.Random, option: str = "roles") -> Conversation:
    """Turns that the template can express, whose content imitates special tokens."""

    def words() -> str:
        content = "".join(draw.choices(PIECES, k=draw.randint(1, 12)))
        return content if content.strip() else content + "."

    turns = [("system", words())] if draw.random() < 0.3 else []
    for _ in range(draw.randint(1, 4)):
        turns += [("user", words()), ("assistant", words())]
        if option in TOOLS and draw.random() < 0.3:
            turns += [("tool", words()), ("assistant", words())]
    if option not in ALTERNATING and draw.random() < 0.2:
        turns.append(("assistant", words()))
    if option not in ALTERNATING and draw.random() < 0.2:
        turns.insert(turns[0][0] == "system", ("assistant", words()))
    if draw.random() < 0.2 and turns[-1][0] == "assistant":
        turns.append(("user", words()))
    return conversation_of(*turns, place="random")


def template_of(option: str) -> Template:
    """Build the template of conf/conversation/OPTION.yaml."""
    described = _described(option)
    return locate(described.pop("_target_"))[0](**described)


def _described(option: str) -> dict:
    own = yaml.safe_load((Path(config_directory()) / "conversation" / f"{option}.yaml").read_text(encoding="utf-8"))
    for name in own.pop("defaults", []):
        if name != "_self_":
            base = _described(name)
            own = base | own | {"stand_ins": base["stand_ins"] | own["stand_ins"]}
    return own


@cache
def tokenizer_of(name: str) -> Tokenizer:
    """One trained here, one with the special tokens of every format, one that adds spaces, or a published one."""
    if name == "ours":
        return train_bpe(TEXT, vocab_size=300)
    if name == "marked":
        backend = tokenizers.Tokenizer.from_str(train_bpe(TEXT, vocab_size=300).content)
        backend.add_special_tokens([tokenizers.AddedToken(token, special=True, normalized=False) for token in SPECIAL])
        return with_special_tokens(backend.to_str())
    if name == "spaced":
        return spaced_tokenizer()
    if name == "gpt2":
        pattern = yaml.safe_load((Path(config_directory()) / "tokenizer" / "pattern" / "gpt2.yaml").read_text())
        files = (str(DATA / f"gpt2_{part}") for part in ("vocab.json", "merges.txt"))
        return gpt2_tokenizer([], vocabulary=next(files), merges=next(files), **pattern)
    return sentencepiece_tokenizer([], path=str(DATA / SENTENCEPIECE[name]))


SENTENCEPIECE = {
    "llama2": "llama2_tokenizer.model",
    "mistral": "mistral_tokenizer.model.v1",
    "mistral_v3": "mistral_mistral_instruct_tokenizer_240323.model.v3",
}
HERE = ["ours", "marked", "spaced"]
REAL = ["gpt2", *SENTENCEPIECE] if DATA.is_dir() else []


def control_of(tokens: list[int], tokenizer: Tokenizer) -> list[str]:
    """The names of the special tokens in `tokens`, in order."""
    names = {token: name for name, token in tokenizer.special_tokens.items()}
    return [names[token] for token in tokens if token in names]


def text_of(tokens: list[int], tokenizer: Tokenizer) -> str:
    """The text, special tokens spelled by their names."""
    names = {token: name.encode() for name, token in tokenizer.special_tokens.items()}
    within = tokenizer.encode("x")[-1]  # so that the space before a text is decoded as well
    return b"".join(names.get(token) or tokenizer.decode_bytes([token], after=within) for token in tokens).decode()
