"""Code, markup and tables are no prose, and prose stays whole."""

import pytest

from lm.curation.prose import prose_of

CODE = {
    "python": "def add(a, b):\n    # both are numbers\n    return a + b\n\nfor n in range(3):\n    print(add(n, n))",
    "shell": '#!/bin/bash\nday=$(date +%u)\nif [ $day -eq 1 ]; then\n    echo "Monday"\nfi',
    "c": '#include <stdio.h>\nint main(void) {\n    printf("%d", 1);\n    return 0;\n}',
    "javascript": "const merged = [...a, ...b];\nfunction isEven(n) {\n  return n % 2 === 0;\n}",
    "html": "<table>\n<tr><td>1</td><td>2</td></tr>\n</table>",
    "sql": "SELECT name\nFROM people\nWHERE age > 3\nORDER BY name",
    "json": '{\n  "name": "Ada",\n  "age": 3\n}',
    "css": "body {\n  color: red;\n}",
    "table": "| a | b |\n| --- | --- |\n| 1 | 2 |",
    "fenced": "```\nwhatever stands here, even a sentence.\n```",
}
PROSE = [
    "A comparison is made first. Then the two are added, and the sum is returned to whoever asked for it.",
    "Dear Ada,\n\nthank you for your letter.\n\nYours,\nBen",
    "1. Boil the water.\n2. Add the rice: one cup.\n3. Wait for ten minutes (or more).",
    "- if it rains, stay\n- from here to there it is far\n- while it lasts, enjoy it",
    "Roses are red\nViolets are blue\nSugar is sweet\nAnd so are you",
    "Die Sonne scheint; es ist warm.\n今天天气很好。",
]


@pytest.mark.parametrize("language", CODE)
def test_no_line_of_code_is_prose(language):
    assert not prose_of(CODE[language]).strip()
    sentence = "Here is what you asked for."
    assert prose_of(f"{sentence}\n\n{CODE[language]}\n\n{sentence}").split("\n\n")[0].strip() == sentence


@pytest.mark.parametrize("text", PROSE)
def test_prose_stays_as_it_is(text):
    assert prose_of(text) == text
