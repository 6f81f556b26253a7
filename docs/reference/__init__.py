"""Reference pages: what they say about the program is written by the program."""
