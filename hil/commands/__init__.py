"""Commands of `hil`, one module each: `register` adds it to the application."""
