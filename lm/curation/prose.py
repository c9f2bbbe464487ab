"""The prose of a text: what is left without code, markup and tables, which rules for prose would misjudge."""

import re
from itertools import pairwise

FENCE = re.compile(r"^ {0,3}(?:```|~~~)")
CODE = re.compile(
    r"[;{}\\]\s*$"  # ends as a statement or block does
    r"|^\s*[)}\]>]"
    r"|^\s*(?:def|class|import|from|return|elif|else|try|except|finally|with|while|for|if|print|raise|assert|lambda)\b"
    r".*(?:[:)\]}'\"=]|\bimport \w+)\s*$"
    r"|^\s*(?:function|var|let|const|public|private|protected|static|void|int|double|float|string|bool|boolean|package"
    r"|namespace|using|require|include|module|end|begin|do|done|fi|then|echo|return|func|fn|struct|enum|interface"
    r"|switch|case|break|continue|catch)\b(?:[^.,]*[=(<{:)]|\s*$)"
    r"|^\s*(?:SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|FROM|WHERE|GROUP BY|ORDER BY|HAVING"
    r"|JOIN|LEFT JOIN|INNER JOIN|ON|AND|VALUES|LIMIT|SET)\b"
    r"|^\s*(?://|/\*|\*/|\*\s|#!|#include|#define|<!--|<\?|>>> |\.\.\. |\$ |@\w+|--\s)"
    r"|</?[A-Za-z][\w-]*(?:\s[^<>]*)?/?>"  # markup
    r"|^\s*[\w.\[\]\"'$*&, ]+?\s*(?:[-+*/%|&^:]|<<|>>|\|\||&&)?=(?!=)\s*\S"  # an assignment
    r"|^\s*[\w.$:>-]+\(.*\)\s*[:,]?\s*$"  # a call
    r"|^\s*[\"'][\w ]+[\"']\s*:|^\s*[\w-]+\s*:\s*[^\s].*[,;]\s*$"  # a key and its value
    r"|[;\])]\s*(?:then|do)\s*$|^\s*(?:fi|esac|done)\s*$"  # a shell
    r"|==|!=|&&|\|\||=>|->|::|\+\+|\w\[\w+\]|\w\(\)"
    r"|^\s*\|.*\|.*\|?\s*$|^\s*[-+|=:\s]{4,}$"  # tables
)
COMMENT = re.compile(r"^\s*#\s*\S")


def prose_of(text: str) -> str:
    """Return the lines of a text that are not code.

    Code is what stands between fences, lines with the marks of a programming language, a query, markup or a table, and
    what is indented or commented beside such lines.
    """
    lines, fenced = text.split("\n"), False
    code: list[bool] = []
    for line in lines:
        fence = bool(FENCE.match(line))
        code.append(fenced or fence or bool(CODE.search(line)))
        fenced ^= fence
    for order in (range(len(lines)), range(len(lines) - 1, -1, -1)):
        for before, here in pairwise(order):
            beside = code[before] and lines[here].strip()
            code[here] |= bool(beside and (lines[here][0] in " \t" or COMMENT.match(lines[here])))
    return "\n".join(line for line, is_code in zip(lines, code, strict=True) if not is_code)
