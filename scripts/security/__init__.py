"""What is checked of the code, its dependencies and its security pages, beside types and tests."""
