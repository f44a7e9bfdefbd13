"""Who may call, and how much: certificates, tokens, rates."""
