"""The container room: order, forms of resources, composition, settings, validation."""
