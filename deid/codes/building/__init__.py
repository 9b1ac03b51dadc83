"""How the tables of codes are made from the data of packages; nothing here runs when the tables are used."""
