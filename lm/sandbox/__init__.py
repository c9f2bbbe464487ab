"""What others wrote, run or calculated within limits: arithmetic, and Python in a process of its own."""
