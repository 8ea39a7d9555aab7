"""Objects: immutable blobs by key, in files or in an object store."""
