"""What a cell is: text to dates, numbers, codes and places, as whole columns."""
