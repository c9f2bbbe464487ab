"""What a sandbox's own interpreter runs: it confines itself, then runs what others wrote. Only the standard library.

Started as `python -S -s -P -B inside.py FD`, where FD gives the request as JSON: `program` runs as a script; `serve`
defines things and answers requests of the tests; `tests` runs tests and reports to a file that the answer never sees.
"""

import ast
import builtins
import json
import os
import sys
import traceback
import types

OURS = os.path.dirname(os.path.abspath(__file__))
TESTS, ANSWER = "tests", "answer"  # module names


def main() -> None:
    with open(int(sys.argv[1]), "rb") as file:
        request = json.load(file)
    for name in ("lm", "lm.sandbox"):  # without their __init__.py, whose imports this interpreter lacks
        sys.modules[name] = types.ModuleType(name)
    sys.modules["lm.sandbox"].__path__ = [OURS]
    from lm.sandbox.confine import confine
    from lm.sandbox.remote import Peer, RemoteError

    sys.argv = ["answer.py"]
    os.chdir(request["limits"]["directory"])
    channel = [os.fdopen(number, mode) for number, mode in zip(request["channel"], ("rb", "wb"), strict=False)]
    report = os.fdopen(request["report"], "w")
    standing = confine(**request["limits"])
    report.write(json.dumps({"walls": standing}) + "\n")
    report.flush()
    if request["task"] == "tests":
        _run_tests(request, Peer(*channel, trusting=False, owner=TESTS), report, RemoteError)
        return
    report.close()
    if request["task"] == "serve":
        _serve(request, Peer(*channel, trusting=True), RemoteError)
        return
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    _run_program(request["code"], module)


def _run_program(code: str, module: types.ModuleType) -> None:
    """Run a program; show its own frames of an error only."""
    try:
        exec(compile(code, "answer.py", "exec"), vars(module))
    except Exception as error:
        trace = traceback.TracebackException.from_exception(error)
        trace.stack = traceback.StackSummary.from_list(
            [each for each in trace.stack if os.path.dirname(each.filename) != OURS]
        )
        sys.stderr.write("".join(trace.format()).replace(os.path.dirname(os.__file__), "python"))
        sys.exit(1)


def _serve(request: dict, peer, failure: type) -> None:
    """Define what the answer defines, then answer requests until the tests have ended."""
    module = types.ModuleType(ANSWER)
    sys.modules[ANSWER] = module
    try:
        exec(compile(request["code"], "answer.py", "exec"), vars(module))
    except Exception as error:
        peer.send("failed", f"{type(error).__name__}: {error}"[:1000])
        return
    except BaseException:
        peer.send("left")
        return
    found = {name: value for name, value in vars(module).items() if not name.startswith("__")}
    peer.send("ready", {name: peer.encode(value) for name, value in found.items()})
    while True:
        try:
            kind, *parts = peer.receive()
        except failure:
            return
        if kind == "ask":
            peer.serve(*parts)


def _run_tests(request: dict, peer, report, failure: type) -> None:
    """Run each test with what the answer defines, and report how each ended: "" for a test that passed."""
    outcomes: list[str] = []
    try:
        kind, *parts = peer.receive()
        broken = {"ready": "", "left": "the answer exited"}.get(kind, str(parts[0]) if parts else "a broken message")
    except failure as error:
        kind, parts, broken = "", [], str(error)
    module = types.ModuleType(TESTS)
    sys.modules[TESTS] = module
    if not broken:
        for name, value in parts[0].items():
            taken = name in vars(builtins) or (name in sys.stdlib_module_names and value[0] != "m")
            if name in request["names"] or not taken:
                vars(module)[name] = peer.decode(value)
    for test in request["tests"]:
        if broken:
            outcomes.append(broken)
            continue
        try:
            _run_test(test, module)
            outcomes.append("")
        except failure as error:
            broken = str(error)
            outcomes.append(broken)
        except BaseException as error:
            outcomes.append(f"{type(error).__name__}: {error}"[:300] if str(error) else type(error).__name__)
    report.write(json.dumps({"outcomes": outcomes}) + "\n")
    report.close()


def _run_test(test: str, module: types.ModuleType) -> None:
    """Run the text of a test, and each function test_… that it defines without parameters."""
    tree = ast.parse(test)
    exec(compile(tree, "tests.py", "exec"), vars(module))
    for each in tree.body:
        if isinstance(each, ast.FunctionDef) and each.name.startswith("test_") and not each.args.args:
            vars(module)[each.name]()


if __name__ == "__main__":
    main()
