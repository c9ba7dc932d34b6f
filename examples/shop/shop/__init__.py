"""The components of Shop."""
