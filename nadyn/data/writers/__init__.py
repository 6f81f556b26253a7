"""Datasets to files of other programs: one file a format."""
