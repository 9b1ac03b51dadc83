"""How rare a class is outside: the people of a place, and the risk that they leave."""
