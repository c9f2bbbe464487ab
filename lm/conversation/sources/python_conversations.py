"""Questions and answers about Python's standard library: data without a download.

The conversations are generated from docstrings, signatures and code, in a few regular phrasings. They teach a small
model what a turn is, to answer the question and to stop; they do not teach it Python. By `task`:

    describe    What does json.dumps do?           → the first sentence of its docstring
    signature   What are the arguments of …?       → the call
    body        Write this function. def …         → the function, as the library has it
    module      Which module has dataclass?        → the module's name
    dialogue    several of these about one name, with follow-up questions
    chat        greetings, what the model is, and that it knows nothing else (`small_talk`)

and questions about code that they show (`python_reading`), which a small model learns to answer.
"""

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from lm.bounds import Share
from lm.conversation.conversation import Conversation, Message
from lm.conversation.sources import draw, python_api, python_reading, small_talk
from lm.conversation.sources.draw import Draw
from lm.conversation.sources.python_api import Entry, library_entries
from lm.conversation.sources.python_reading import readings
from lm.conversation.sources.source import ConversationSource
from lm.files import hash_file, hash_json
from lm.sources.python_library import library_files
from lm.sources.python_prose import compiled_modules

DESCRIBE = ("What does {} do?", "What does {} do?", "What is {} for?", "Explain {}.", "Tell me what {} does.")
DESCRIBE_CLASS = ("What is {}?", "What is {}?", "What does {} do?", "Explain {}.", "Describe the class {}.")
DESCRIBE_MODULE = ("What is the {} module for?", "What is the {} module?", "What does the {} module do?")
SIGNATURE = ("What are the arguments of {}?", "How do I call {}?", "What arguments does {} take?")
CONTENTS = ("What is in the {} module?", "What does the {} module have?")
WHICH = ("Which module has {}?", "Which module has {}?", "Where is {}?", "In which module is {}?")
WRITE = ("Write this function:\n{}", "Complete this function:\n{}", "Implement this:\n{}")
THEN_SIGNATURE = ("What are its arguments?", "And its arguments?", "How do I call it?")
THEN_WHICH = ("Which module is it in?", "Where do I find it?")
THANKS = ("Thanks!", "Thank you.", "Thanks, that helps.")
WELCOME = "You are welcome."
MAX_NAMES = 6  # listed of a module's contents


class PythonConversations(ConversationSource):
    """About 28,000 short conversations about the standard library, the same for the same Python.

    A module's conversations have the module's group in the corpus, so what is held out there is held out here.

    Args:
        max_characters: Maximum length of a conversation; longer ones are left out and counted in the notes. 600
            characters are about 200 tokens.
        recall: Share of the names that are asked about from memory: what they do, their arguments, module and code. A
            model of a few million parameters answers hardly any of these questions about names that it never saw, so
            most questions show what they are about.
    """

    def __init__(self, *, max_characters: int = 600, recall: Share = 0.2):
        self.max_characters, self.recall = max_characters, recall

    def fingerprint(self) -> str:
        files = {file.relative: hash_file(file.path) for file in library_files()}
        modules = (python_api, python_reading, small_talk, draw)
        makers = [hash_file(Path(file)) for file in (__file__, *(module.__file__ for module in modules))]
        return hash_json(
            ["python conversations", self.max_characters, self.recall, sys.version, compiled_modules(), files, makers]
        )

    def __iter__(self) -> Iterator[Conversation]:
        everything = _all_conversations(self.recall)
        short = [each for each in everything if _characters(each) <= self.max_characters]
        if left_out := len(everything) - len(short):
            self.notes = (f"{left_out} of more than {self.max_characters} characters were left out",)
        return iter(short)


@cache
def _all_conversations(recall: float) -> tuple[Conversation, ...]:
    """The conversations of any length. The process keeps them: parsing takes seconds."""
    return tuple(_conversations(library_entries(), recall))


def _conversations(entries: Sequence[Entry], recall: float) -> Iterator[Conversation]:
    """The conversations about each name, then small talk."""

    def asked(task: str, entry: Entry) -> bool:
        return Draw(entry.name)(f"recall {task}", 1000) < 1000 * recall

    contents, counts = defaultdict(list), Counter(entry.path for entry in entries)
    for entry in entries:
        if entry.kind in ("class", "function"):
            contents[entry.module].append(entry.path)
    for entry in entries:
        if entry.kind == "module":
            yield from _about_module(entry, contents[entry.module])
            continue
        unique = counts[entry.path] == 1 and entry.kind != "method"  # else "which module" has several answers
        if entry.summary and entry.arguments is not None and Draw(entry.name)("dialogue", 8) == 0:
            yield _dialogue(entry, unique)
            continue
        if entry.summary and asked("describe", entry):
            question = Draw(entry.name).choose(DESCRIBE_CLASS if entry.kind == "class" else DESCRIBE)
            yield _talk("describe", entry, question.format(entry.name), entry.summary)
        if entry.arguments is not None and asked("signature", entry):
            yield _talk("signature", entry, Draw(entry.name).choose(SIGNATURE).format(entry.name), _call(entry))
        if entry.summary and entry.body and entry.body.count("\n") < 12 and asked("body", entry):
            header = f'{entry.header}\n    """{entry.summary}"""'
            answer = f"{entry.header}\n{entry.body}"
            yield _talk("body", entry, Draw(entry.name).choose(WRITE).format(header), answer)
        if unique and asked("module", entry):
            yield _talk("module", entry, Draw(entry.name).choose(WHICH).format(entry.path), _where(entry))
    for reading in readings(entries):
        yield _talk(reading.task, reading.entry, *reading.turns)
    for turns in small_talk.exchanges():
        yield _talk_of("chat", "", "small talk", turns)


def _about_module(entry: Entry, names: list[str]) -> Iterator[Conversation]:
    if entry.summary:
        question = Draw(entry.module).choose(DESCRIBE_MODULE).format(entry.module)
        yield _talk("describe", entry, question, entry.summary)
    if names:
        question = Draw(entry.module).choose(CONTENTS).format(entry.module)
        listed = [*names[:MAX_NAMES], *(["more"] if len(names) > MAX_NAMES else [])]
        text = " and ".join(filter(None, [", ".join(listed[:-1]), listed[-1]]))
        yield _talk("module", entry, question, f"The {entry.module} module has {text}.")


def _dialogue(entry: Entry, unique: bool) -> Conversation:
    """What it is, then how it is called or where it is, some with a greeting and thanks."""
    drawn = Draw(entry.name)("turns", 1 << 40)
    turns = [Draw(entry.name).choose(DESCRIBE_CLASS if entry.kind == "class" else DESCRIBE).format(entry.name)]
    turns.append(entry.summary)
    if unique and drawn % 2:
        turns += [Draw(entry.name).choose(THEN_WHICH), _where(entry)]
    else:
        turns += [Draw(entry.name).choose(THEN_SIGNATURE), _call(entry)]
    if drawn // 2 % 3 == 0:
        turns = [*small_talk.greeting(drawn), *turns]
    if drawn // 6 % 3 == 0:
        turns += [Draw(entry.name).choose(THANKS), WELCOME]
    return _talk_of("dialogue", entry.group, entry.name, turns)


def _call(entry: Entry) -> str:
    return f"{entry.name}({entry.arguments})" if entry.arguments else f"{entry.name}() takes no arguments."


def _where(entry: Entry) -> str:
    return f"{entry.path} is {'built in' if entry.module == 'builtins' else f'in the {entry.module} module'}."


def _talk(task: str, entry: Entry, *turns: str) -> Conversation:
    return _talk_of(task, entry.group, entry.name, turns)


def _talk_of(task: str, group: str, place: str, turns: Sequence[str]) -> Conversation:
    """User and assistant alternate."""
    messages = tuple(Message(("user", "assistant")[n % 2], text) for n, text in enumerate(turns))
    return Conversation(messages, task=task, group=group, place=f"{task} of {place}")


def _characters(conversation: Conversation) -> int:
    return sum(len(message.content) for message in conversation.messages)
