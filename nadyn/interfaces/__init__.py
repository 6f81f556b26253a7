"""Other programs that use nadyn models, or that nadyn calls."""
