"""Trained likelihoods that come with the package, and the script that trained them."""

from pathlib import Path

SHIPPED = Path(__file__).parent  # the folder of the files
SUFFIX = ".likely"
CLOSED_FORM = "closed form"  # stands for labels in the record of a likelihood that has none
