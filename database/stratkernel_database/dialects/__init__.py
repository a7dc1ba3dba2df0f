"""What is particular to one kind of database; the only place with SQL text."""
