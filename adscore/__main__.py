"""`python -m adscore` is the `adscore` command."""

import sys

from adscore.cli.entry import main

sys.exit(main())
