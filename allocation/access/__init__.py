"""Who may do what: identities, grants, the one permission table, tokens and electronic signatures."""
