"""What a model has kept of its training text: memorised windows, exposed canaries, leaked items of benchmarks."""
