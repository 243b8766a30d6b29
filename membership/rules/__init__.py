"""The closed JSON rule form: what it may say (parse), what it means (evaluate), how it reads (render, describe).

Nothing here touches the database, the clock or settings: values go in as arguments, so the live engine, the
nightly pass and a replay of a file run the same code.
"""
