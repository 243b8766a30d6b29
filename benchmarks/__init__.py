"""Measurements of what kameng promises, each against the bare work in the same run.

One module is one benchmark; its name with dashes is what `bin/bench` takes. It has

- a docstring whose first line says what is measured,
- `arguments(parser)`, which adds its sizes,
- `run(bench, options)`, which works in the empty, migrated database that it finds and tells `bench` what came of it:
  figures (with a target, where there is one), raw samples, notes.

`frame/` has what they share. Nothing here is imported by an app.
"""
