"""HTTP and its OpenAPI document."""
