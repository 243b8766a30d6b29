"""Running a rule set over a file of activity, in memory, by the engine. No database here."""
