"""What the endpoints of all rooms share: one error shape, strict reading, paging without counts, the schema.

Nothing is collected here: Django REST framework loads `parsing` and `throttles` while it is itself being loaded.
"""
