"""The orchestrator's HTTP API: one file per resource, problems for every refusal, a page of documentation.

May import the four components, `arbiter.serving.problems`, FastAPI, and nothing of the container: it is handed
built objects. It is the only room that knows FastAPI.
"""
