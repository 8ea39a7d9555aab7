"""What a workflow is: the document, its rules, its expressions; pure."""
