"""Code that runs inside the sandbox; its source is sent to the worker, so it imports only
the standard library and its own siblings, and the project's folder needn't be visible there."""
