"""`python -m tinygrad_pool` is the command `tinygrad-pool`."""

from tinygrad_pool.cli.main import main

raise SystemExit(main())
