"""An attempted hop: its probability, its direction, its cost."""
