"""What holds for every test."""

import os

import torch

# Tests run side by side; several threads for a model of a few thousand weights only wait for each other.
torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the processes they start
