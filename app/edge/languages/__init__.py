"""Catalogues of translations, one file for each language besides English: `de.po`. Made by `python -m
app.edge.languages.extract`, which keeps what is translated and adds what is new."""
