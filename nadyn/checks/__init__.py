"""What is wrong with an input, said in one sentence: errors, shapes, configuration files."""
