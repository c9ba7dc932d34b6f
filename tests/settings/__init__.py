"""The settings room: layers, report, snapshot, reload."""
