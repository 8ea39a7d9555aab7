"""The LangGraph saver over our database."""
