"""The steps of a training run: resolve the machine, estimate its cost, plan it, configure the trainer."""
