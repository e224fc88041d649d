"""Training: the schedule of section 3.8, the ways of training, checkpoints, and the loop that runs them."""
