"""Document collections: parsing, chunking, storing, finding."""
