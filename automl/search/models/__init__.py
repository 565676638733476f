"""Models of the loss that samplers share: Gaussian processes and ensembles of small networks, in NumPy."""
