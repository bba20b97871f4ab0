"""What every stage works with: the open experiment, its cells, and running episodes."""
