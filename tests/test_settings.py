"""Whatever the sizes of corpus, batch and rows, the packing, the mixture and the ranks: every run ends."""

import json
import random

import pytest

from lm.directory.manifest import read_manifest
from support.settings_ranks import corpora, drawn, start_ranks


@pytest.mark.parametrize("count", [6, pytest.param(200, marks=pytest.mark.slow)])
def test_runs_of_random_settings_finish(count, tmp_path):
    draw, given = random.Random(count), corpora(tmp_path)
    configs: dict[int, list] = {1: [], 2: [], 3: []}
    for number in range(count):
        ranks, config = drawn(draw, given, tmp_path, f"run-{number}")
        configs[ranks].append(tmp_path / f"run-{number}.json")
        configs[ranks][-1].write_text(json.dumps(config))
    assert len(configs[2]) > 1, "several runs in one group"
    for ranks, files in configs.items():
        processes = start_ranks([files] * ranks, tmp_path)
        for process in processes:
            process.join(30 + 12 * count)
        ends = [process.exitcode for process in processes]
        for process in processes:
            process.kill()
        assert ends == [0] * ranks, [file.read_text() for file in tmp_path.glob("failed-*")] or f"{ranks} ranks hang"
    ended = [{file.read_text() for file in tmp_path.glob(f"run-{number}.*.end")} for number in range(count)]
    assert all(len(ends) == 1 for ends in ended), "the same on all ranks"
    refused = [end for ends in ended for end in ends if end != "complete"]
    assert len(refused) <= count / 20
    assert all("the stage would have none" in end for end in refused)
    for number, ends in enumerate(ended):
        if ends == {"complete"}:
            assert read_manifest(tmp_path / "pretrain" / f"run-{number}")["state"] == "complete"
