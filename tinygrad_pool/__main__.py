"""`python -m tinygrad_pool` is the command `tinygrad-pool`."""

from tinygrad_pool.cli import main

raise SystemExit(main())
