"""`python -m adscore` is the `adscore` command."""

import sys

from adscore.command import main

sys.exit(main())
