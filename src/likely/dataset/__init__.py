"""Training sets on disk: a Zarr store, how it is written and how it is read."""
