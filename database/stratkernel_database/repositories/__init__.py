"""What reads and writes the tables: nobody else does."""
