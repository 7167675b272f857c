"""Room: small pictures to large ones."""
