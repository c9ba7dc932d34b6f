"""The lifecycle room: order, engine, in-flight work."""
