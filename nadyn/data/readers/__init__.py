"""Files of other programs to datasets: one file a format."""
