"""Laws of capacity: formulas fitted to records, compared by what they have not seen, and designed with."""
