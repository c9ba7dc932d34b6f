"""CAWS: reading documents, judging them."""
