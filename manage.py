#!/usr/bin/env python
import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kameng.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        # What the environment lacks is said in a line; where in the settings it was missed helps nobody.
        sys.exit(f"{error}\nbin/manage COMMAND runs a command with the environment of bin/up.")
