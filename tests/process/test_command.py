"""The command of a process is what was typed."""

from lm.process.command import carrying_out, command_line


def test_words_are_quoted_for_a_shell():
    with carrying_out(["lm", "generate", "prompt=it's a"]):
        assert command_line() == """lm generate 'prompt=it'"'"'s a'"""
    assert command_line() == ""
