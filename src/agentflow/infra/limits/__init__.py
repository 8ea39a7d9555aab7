"""Token buckets with a fair waiting line, exact over all processes through Redis or within one process without it."""
