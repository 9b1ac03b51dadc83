"""What somebody knows who knows codes of a patient: entries, dates beside them, and the map that holds it."""
