"""`python -m n2n`."""

import sys

from n2n.cli import main

sys.exit(main())
