"""Celery: brings hints about queued runs from the API to the workers."""
