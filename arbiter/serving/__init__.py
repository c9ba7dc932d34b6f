"""HTTP on a socket of ours: bind first, our signals, no lifespan, a drain that ends.

Used by the application's port and the management port alike. May import the bottom floor, Starlette and uvicorn.
"""
