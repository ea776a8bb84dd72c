"""Facts from the ledger, and figures made of them."""
