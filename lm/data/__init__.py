"""Rows for training: order, packing, and the data modules."""
