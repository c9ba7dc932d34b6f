"""The main port: its server, its layers."""
