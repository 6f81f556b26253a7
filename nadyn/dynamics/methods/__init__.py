"""The methods of a run file: one file each, one table."""
