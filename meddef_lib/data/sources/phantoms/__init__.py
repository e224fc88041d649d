"""Made-up images that stand in for a data set where there are none."""
