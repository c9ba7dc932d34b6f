"""The lifecycle room: order, engine."""
