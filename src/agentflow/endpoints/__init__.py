"""What the REST endpoints of all slices share: reading bodies, answering in JSON, lists, idempotency and concurrency headers."""
