"""The archive as a store that answers SQL: Athena on AWS."""
