"""What `gateway check` looks at, one module each."""
