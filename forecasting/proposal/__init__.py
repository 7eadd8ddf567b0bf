"""Filing what a tune found as a proposal of supply parameters in the service."""
