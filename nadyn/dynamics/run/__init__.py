"""A run: prepared, driven, stopped, written and shown."""
