"""The rules as SQL, for many members in one statement: figures, conditions, outcomes, evaluation documents.

The other definition is the engine's, in Python; property tests prove that both say the same of random rules and members.
What SQL cannot tell of a member (an offer, a jump, an override) it hands to the engine instead of guessing.
"""
