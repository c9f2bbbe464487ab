"""Characters that nobody sees: which of them a text needs, and which only keep equal words from being equal."""

import re

# Scripts whose letters join, and where a joiner or a non-joiner makes another word of it: Arabic, Syriac, N'Ko,
# those of India, Myanmar, Khmer, Mongolian, those of Indonesia.
JOINING = (
    "\u0600-\u07ff\u0840-\u08ff\u0900-\u0dff\u1000-\u109f\u1700-\u18af\u1900-\u1aff\u1b00-\u1cff"
    "\ua800-\uaaff\ufb50-\ufdff\ufe70-\ufefc\U00011000-\U00011fff"
)
# Scripts without spaces, where a space of no width tells the words apart: Thai, Lao, Tibetan, Myanmar, Khmer, Tai.
SPACELESS = "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\ua9e0-\ua9ff\uaa60-\uaadf"
EMOJI = "\u2190-\u2bff\u3030\u303d\u3297\u3299\ufe0f\U0001f000-\U0001faff"

ESCAPES = r"\x1b\[[0-9;:?]*[ -/]*[@-~]"  # colours and cursor moves of a terminal
CONTROLS = rf"{ESCAPES}|[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
LINE_ENDS = "\r+\n?|[\x0b\x0c\x85\u2028\u2029]"
SOFT_HYPHENS = "\u00ad"
BIDIRECTIONAL = "[\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f]"
ZERO_WIDTH = "|".join(
    [
        "[\u2060\ufeff]",
        f"(?<![{SPACELESS}])\u200b",
        f"(?<![{JOINING}])\u200c",
        f"(?<![{JOINING}{EMOJI}])\u200d",
        f"(?<![{JOINING}])\u200d(?![{EMOJI}])",
        # Tags spell out the flags of regions after a black flag; anywhere else they hide text.
        "(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0000-\U000e007f]+",
    ]
)
# One class that holds them all, for a single look at a text that has none.
ANY = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060\u2066-\u206f\ufeff"
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\U000e0000-\U000e007f]"
)
