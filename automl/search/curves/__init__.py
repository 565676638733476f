"""Learning curves: what a run that has only begun will come to."""
