"""Mail to people: what happened to supplies, written with the act in a blinded and an unblinded variant, and delivered by SMTP."""
