"""Reward functions as a user would write them."""


def brief(text, words=3):
    return float(len(text.split()) <= words)


def same(text, reference):
    return None if reference is None else float(text == reference)


def ranks(answers):
    order = sorted(range(len(answers)), key=lambda n: answers[n].tokens)
    return [float(order.index(n)) for n in range(len(answers))]


def everything(answer, prompt, messages, tokens, finished):
    return float(answer.prompt == prompt and answer.tokens == tokens and finished and not messages)


def foreign(completions):
    return 0.0


def mixed(answers, text):
    return 0.0


def nothing():
    return 0.0


class Scorer:
    pass
