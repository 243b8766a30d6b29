"""The state machine of the family `model`: a shop in plain Python, and the real one told to do the same.

`facts` holds what the model knows, `scenery` what a machine begins with, `comparing` the question that is put to the
database after each step. `machine` does a step; one module for each kind of thing that a shop does adds rules to it, and
`Shop` in `shop` has them all.
"""
