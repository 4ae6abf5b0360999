"""How it runs: steps, engines, config, commands."""
