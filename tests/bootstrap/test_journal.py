"""A journal has whole records, even after a kill while one is written."""

from lm.bootstrap import Journal


def test_a_half_written_record_is_truncated_and_the_next_follows_the_last_whole_one(tmp_path):
    path = tmp_path / "folder" / "rounds.jsonl"
    journal = Journal(path)
    for number in range(3):
        journal.append({"number": number, "text": "né\n"})
    whole = path.read_bytes()
    for cut in range(len(whole) - 25, len(whole)):
        path.write_bytes(whole[:cut])
        again = Journal(path)
        assert [each["number"] for each in again.records] == [0, 1]
        again.append({"number": 2, "text": "né\n"})
        assert path.read_bytes() == whole
        assert Journal(path).records == again.records
