"""``python -m eventflux_node`` is the `eventflux` command."""

import sys

from eventflux_node.cli import main

if __name__ == "__main__":
    sys.exit(main())
