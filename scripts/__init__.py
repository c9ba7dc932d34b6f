"""Scripts of the project: environments, generated pages."""
