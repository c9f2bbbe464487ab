"""Text primitives that filters share: words, hashes, phrases, runs."""
