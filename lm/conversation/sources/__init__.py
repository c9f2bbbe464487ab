"""Sources of conversations: readers for the layouts in which they are published."""
