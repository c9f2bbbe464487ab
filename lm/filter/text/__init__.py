"""Text primitives that filters share: words, n-grams, their hashes, and what is found in them."""
