"""Whether labels are what they claim to be."""
