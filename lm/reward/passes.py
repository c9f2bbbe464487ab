"""pass@k: the probability that one of k answers solves a prompt, for validation and evaluation."""

from math import comb


def pass_at(k: int, *, completions: int, solved: int) -> float:
    """Return the unbiased estimate of pass@k (arXiv:2107.03374): 1 − C(n − c, k) / C(n, k).

    Args:
        k: Completions of which one has to solve the prompt, at most n.
        completions: Completions that were drawn, n.
        solved: How many of them solve it, c.
    """
    return 1.0 - comb(completions - solved, k) / comb(completions, k)


def budgets(completions: int) -> list[int]:
    """Return the k that n completions are reported for: the powers of two up to n, and n."""
    powers = [2**power for power in range(completions.bit_length()) if 2**power <= completions]
    return sorted({*powers, completions}) if completions else []
