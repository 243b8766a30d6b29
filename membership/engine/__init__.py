"""What a tier is: facts to daily sums (tally), sums to figures (book), figures to a state (step), days to a life (fold).

Nothing here touches the database, settings or the clock. The live services, a replay of a file and the audit run this
code; there is no other definition.
"""
