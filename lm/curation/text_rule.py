"""Any filter of a corpus, held against conversations: language, listed words, repetition, duplicates and near ones."""

from collections.abc import Sequence

import numpy as np

from lm.bounds import Natural
from lm.conversation import Conversation
from lm.corpus import Document, Dropped
from lm.curation.rule import Part, Rule, said
from lm.filtering import Deduplicator, Filter
from lm.filtering.keys import connected_components, losers, same_key
from lm.filtering.traces import judge, keys_of


class TextRule(Rule):
    """Leave out conversations of which `filter` would drop the text of `part`. What it would change stays as it is, and
    texts of fewer than `least_words` pass: filters are made for documents.

    A filter that keeps one of several that are alike does so here too, over the whole set, by the same keys as over a
    corpus.
    """

    def __init__(self, filter: Filter | Deduplicator, *, part: Part = "all", least_words: Natural = 0):
        self.filter, self.part, self.least_words = filter, part, least_words
        if isinstance(filter, Deduplicator) and filter.earlier is not None:
            raise ValueError("filter.earlier is for corpora: conversations are compared with each other only")

    def __call__(self, conversations: Sequence[Conversation]) -> dict[int, Dropped]:
        documents = [Document(said(each, self.part), id=each.place) for each in conversations]
        judged = [place for place, each in enumerate(documents) if len(each.text.split()) >= self.least_words]
        if not isinstance(self.filter, Deduplicator):
            dropped = judge({"rule": self.filter}, [documents[place] for place in judged])[0].dropped
            return {judged[number]: why for number, why in dropped.items()}
        keyed = [*keys_of(self.filter, [documents[place] for place in judged])]
        if not keyed:
            return {}
        places = np.array([judged[number] for number, _ in keyed])
        pairs = [
            same_key(np.frombuffer(b"".join(column), dtype="<u8").reshape(len(places), -1), places)
            for column in zip(*(keys for _, keys in keyed), strict=True)
        ]
        nodes, clusters = connected_components(np.concatenate(pairs))
        if not len(nodes):
            return {}
        worth = np.array([self.filter.worth(documents[node]) for node in nodes.tolist()])
        gone, stays = losers(nodes, clusters, worth)
        return {
            place: Dropped(self.filter.reason, f"of {documents[kept].id.rpartition('/')[2]}")
            for place, kept in sorted(zip(gone.tolist(), stays.tolist(), strict=True))
        }
