"""``python -m cxlab`` is the command line."""

from cxlab.cli import main

main()
