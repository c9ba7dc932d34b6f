"""The test kit that ships with the framework: fakes for its own seams. It may import anything of the framework."""
