"""Makes what the pages under `docs/reference/` say about the code, from the code. Run it as `python -m docs.generate`."""
