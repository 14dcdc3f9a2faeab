"""`/openapi.json` and `/docs`: the interface described, in a page that loads nothing from elsewhere."""
