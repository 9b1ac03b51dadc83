"""How the word lists are made from the data of packages; nothing here runs when the lists are used."""
