"""`python -m wards.practice`: see `wards.practice.console`."""

import sys

from wards.practice.console import main

if __name__ == "__main__":
    sys.exit(main())
