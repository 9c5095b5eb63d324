"""Mathematics of the laboratory, and recorded serial lines: knows no instrument, no database and no settings."""
