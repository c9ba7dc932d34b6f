"""What strangers may do to both ports, and what they may not."""
