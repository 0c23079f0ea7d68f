"""Run the command `tinygrad-pool` by `python -m tinygrad_pool`."""

from tinygrad_pool.cli.main import main

raise SystemExit(main())
